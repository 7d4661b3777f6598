"""Right answers of another kind, and the wrong ones that people really give."""

import statistics

from pyspark.sql import Window
from pyspark.sql import functions as F

from streamgym.checks.labs import load_exercises
from streamgym.course.answers import right, wrong

lab = load_exercises("13_skew")
largest_share, mailed, categories = lab["largest_share"], lab["mailed"], lab["categories"]
after_ads, page_costs, skew_settings = lab["after_ads"], lab["page_costs"], lab["skew_settings"]
beside_the_mean, shuffle_partitions = lab["beside_the_mean"], lab["shuffle_partitions"]
march_sales, compact = lab["march_sales"], lab["compact"]

# largest_share

SHARE = "the largest task's share of all records"


@right(largest_share)
def sorted_last(records):
    total = sum(records)
    return sorted(records)[-1] / total if total else 0.0


@wrong(largest_share, misconception="the mean for the whole", fails=SHARE, hint=2)
def over_the_mean(records):
    return max(records) / (sum(records) / len(records)) if sum(records) else 0.0


@wrong(largest_share, misconception="the median for the whole", fails=SHARE, hint=4)
def over_the_median(records):
    middle = statistics.median_high(records) if records else 0
    return max(records) / middle if middle else 0.0


@wrong(
    largest_share,
    misconception="every stage reads something",
    fails="a stage that reads nothing",
    hint=3,
)
def without_a_guard(records):
    return max(records) / sum(records)


# mailed

FROM_MAILER = "the purchases from the mailer, each once"
NO_BLOW_UP = "the join makes no more rows than there are purchases"
LINE = ["basket_id", "product_id", "sales_cents"]


def in_mailer(promotions):
    return promotions.where("mailer_location != '0'").select("product_id", "week")


@right(mailed)
def by_semi_join(purchases, promotions):
    keys = ["product_id", "week"]
    return purchases.join(in_mailer(promotions).distinct(), keys, "left_semi").select(*LINE)


@right(mailed)
def by_group(purchases, promotions):
    ads = promotions.groupBy("product_id", "week").agg(
        F.max(F.col("mailer_location") != "0").alias("mailed")
    )
    return purchases.join(ads.where("mailed"), ["week", "product_id"]).select(*LINE)


@wrong(mailed, misconception="distinct after the blow-up", fails=NO_BLOW_UP, hint=2)
def distinct_after(purchases, promotions):
    joined = purchases.join(in_mailer(promotions), ["product_id", "week"])
    return joined.select(*LINE).distinct()


@wrong(mailed, misconception="a join keeps the number of rows", fails=FROM_MAILER, hint=3)
def never_distinct(purchases, promotions):
    return purchases.join(in_mailer(promotions), ["product_id", "week"]).select(*LINE)


@wrong(mailed, misconception="the product alone is the key", fails=FROM_MAILER, hint=4)
def by_product_alone(purchases, promotions):
    ads = in_mailer(promotions).select("product_id").distinct()
    return purchases.join(ads, "product_id").select(*LINE)


@wrong(mailed, misconception="every promotion is in the mailer", fails=FROM_MAILER, hint=5)
def every_promotion(purchases, promotions):
    ads = promotions.select("product_id", "week").distinct()
    return purchases.join(ads, ["product_id", "week"]).select(*LINE)


# categories

LABELLED = [*LINE, "product_category"]


@right(categories)
def hinted_by_name(purchases, products):
    named = products.select("product_id", "product_category").hint("broadcast")
    return named.join(purchases, "product_id").select(*LABELLED)


@wrong(
    categories,
    misconception="Spark will know by itself",
    fails="nothing is shuffled",
    hint=2,
)
def unhinted(purchases, products):
    return purchases.join(products, "product_id").select(*LABELLED)


@wrong(
    categories,
    misconception="broadcast of the big side",
    fails="only the small table is broadcast",
    hint=3,
)
def big_side(purchases, products):
    return products.join(F.broadcast(purchases), "product_id").select(*LABELLED)


@wrong(
    categories,
    misconception="all rows of the wrong side",
    fails="each purchase with its category",
    hint=4,
)
def with_the_unsold(purchases, products):
    return products.join(F.broadcast(purchases), "product_id", "left").select(*LABELLED)


# after_ads

WITH_ADS = "each purchase with each ad of its week or the week before"
EVEN = "no task reads more than 25% of a stage's records"
AFTER = ["basket_id", "product_id", "week", "ad_week"]
RECENT = "week - ad_week IN (0, 1)"


def copies(ads, number=16):
    return ads.withColumn("salt", F.explode(F.sequence(F.lit(0), F.lit(number - 1))))


@right(after_ads)
def salted_by_basket(purchases, ads):
    salted = purchases.withColumn("salt", F.pmod(F.hash("basket_id"), F.lit(24)))
    joined = salted.join(copies(ads, 24), ["product_id", "salt"])
    return joined.where(RECENT).select(*AFTER)


@right(after_ads)
def hot_key_alone(purchases, ads):
    hot = F.col("product_id") == 1082185
    few = purchases.where(hot).join(F.broadcast(ads.where(hot)), "product_id")
    rest = purchases.where(~hot).join(ads.where(~hot), "product_id")
    return few.select(*AFTER).union(rest.select(*AFTER)).where("week - ad_week IN (0, 1)")


@wrong(after_ads, misconception="no salt", fails=EVEN, hint=2)
def plain(purchases, ads):
    return purchases.join(ads, "product_id").where(RECENT).select(*AFTER)


@wrong(after_ads, misconception="salting one side only", fails=WITH_ADS, hint=3)
def one_side(purchases, ads):
    salted = purchases.withColumn("salt", (F.rand(1) * 16).cast("int"))
    joined = salted.join(ads.withColumn("salt", F.lit(0)), ["product_id", "salt"])
    return joined.where(RECENT).select(*AFTER)


@wrong(after_ads, misconception="a random salt on either side", fails=WITH_ADS, hint=3)
def both_at_random(purchases, ads):
    left, right_ = (f.withColumn("salt", (F.rand(3) * 16).cast("int")) for f in (purchases, ads))
    return left.join(right_, ["product_id", "salt"]).where(RECENT).select(*AFTER)


@wrong(after_ads, misconception="salt from a hash of the same key", fails=EVEN, hint=4)
def salt_of_the_key(purchases, ads):
    salted = purchases.withColumn("salt", F.pmod(F.hash("product_id"), F.lit(16)))
    joined = salted.join(copies(ads), ["product_id", "salt"])
    return joined.where(RECENT).select(*AFTER)


@wrong(after_ads, misconception="copies, but no salt in the join", fails=WITH_ADS, hint=5)
def salt_left_out(purchases, ads):
    joined = purchases.join(copies(ads), "product_id")
    return joined.where(RECENT).select(*AFTER)


@wrong(
    after_ads,
    misconception="broadcast of what does not fit",
    fails="no table is broadcast",
    hint=6,
)
def broadcast_ads(purchases, ads):
    return purchases.join(F.broadcast(ads), "product_id").where(RECENT).select(*AFTER)


# page_costs

COST = "every purchase once, with its page's cost"
COSTS = ["basket_id", "product_id", "cost_cents"]


@right(page_costs)
def spread_nulls(purchases, pages):
    nobody = F.concat(F.lit("none "), F.pmod(F.hash("basket_id"), F.lit(1000)))
    keyed = purchases.withColumn("page", F.coalesce("page", nobody))
    return keyed.join(pages, "page", "left").select(*COSTS)


@wrong(page_costs, misconception="nulls cost nothing", fails=EVEN, hint=2)
def plain_left_join(purchases, pages):
    return purchases.join(pages, "page", "left").select(*COSTS)


@wrong(page_costs, misconception="null keys joined", fails=COST, hint=3)
def nulls_are_equal(purchases, pages):
    same = purchases["page"].eqNullSafe(pages["page"])
    return purchases.join(pages, same, "left").select(*COSTS)


@wrong(page_costs, misconception="one value in the place of null", fails=COST, hint=3)
def filled(purchases, pages):
    known = pages.fillna("none", ["page"])
    return purchases.fillna("none", ["page"]).join(known, "page", "left").select(*COSTS)


@wrong(page_costs, misconception="rows without a key do not matter", fails=COST, hint=4)
def inner(purchases, pages):
    return purchases.join(pages, "page").select(*COSTS)


@wrong(
    page_costs,
    misconception="broadcast whatever is skewed",
    fails="the pages are not broadcast",
    hint=5,
)
def broadcast_pages(purchases, pages):
    return purchases.join(F.broadcast(pages), "page", "left").select(*COSTS)


# skew_settings

TASKS = "no task reads more than 40% of the join's records"
ADAPTIVE = "spark.sql.adaptive."


@right(skew_settings)
def in_bytes():
    return {
        ADAPTIVE + "enabled": True,
        ADAPTIVE + "skewJoin.enabled": True,
        ADAPTIVE + "skewJoin.skewedPartitionThresholdInBytes": 20_000,
        ADAPTIVE + "advisoryPartitionSizeInBytes": 16_000,
        ADAPTIVE + "coalescePartitions.enabled": False,
    }


@wrong(skew_settings, misconception="AQE on, thresholds untouched", fails=TASKS, hint=2)
def only_on():
    return {ADAPTIVE + "enabled": "true", ADAPTIVE + "skewJoin.enabled": "true"}


@wrong(skew_settings, misconception="the factor alone decides", fails=TASKS, hint=2)
def factor_only():
    return {ADAPTIVE + "skewJoin.skewedPartitionFactor": "2"}


@wrong(skew_settings, misconception="pieces as large as by default", fails=TASKS, hint=3)
def threshold_only():
    return {ADAPTIVE + "skewJoin.skewedPartitionThresholdInBytes": "32KB"}


@wrong(
    skew_settings,
    misconception="more partitions help a hot key",
    fails="only adaptive settings",
    hint=4,
)
def more_partitions():
    return {"spark.sql.shuffle.partitions": "200"}


# beside_the_mean

MEAN = "the mean of its category"
STAYS = "the purchases themselves are not shuffled"
MEANS = ["basket_id", "product_id", "mean_cents"]


@right(beside_the_mean)
def salted_sums(purchases):
    salted = purchases.withColumn("salt", F.pmod(F.hash("basket_id"), F.lit(8)))
    parts = salted.groupBy("product_category", "salt").agg(
        F.sum("sales_cents").alias("cents"), F.count("*").alias("number")
    )
    totals = parts.groupBy("product_category").agg(
        (F.sum("cents") / F.sum("number")).alias("mean_cents")
    )
    return purchases.join(F.broadcast(totals), "product_category").select(*MEANS)


@wrong(beside_the_mean, misconception="a window over the hot key", fails=STAYS, hint=2)
def by_window(purchases):
    category = Window.partitionBy("product_category")
    return purchases.withColumn("mean_cents", F.avg("sales_cents").over(category)).select(*MEANS)


@wrong(beside_the_mean, misconception="shuffled again by the join", fails=STAYS, hint=3)
def joined_by_shuffle(purchases):
    means = purchases.groupBy("product_category").agg(F.avg("sales_cents").alias("mean_cents"))
    return purchases.join(means, "product_category").select(*MEANS)


@wrong(beside_the_mean, misconception="a mean of means", fails=MEAN, hint=4)
def mean_of_means(purchases):
    salted = purchases.withColumn("salt", F.pmod(F.hash("basket_id"), F.lit(8)))
    parts = salted.groupBy("product_category", "salt").agg(F.avg("sales_cents").alias("mean"))
    means = parts.groupBy("product_category").agg(F.avg("mean").alias("mean_cents"))
    return purchases.join(F.broadcast(means), "product_category").select(*MEANS)


@wrong(
    beside_the_mean,
    misconception="the mean in place of the rows",
    fails="every purchase, once",
    hint=1,
)
def means_alone(purchases):
    return purchases.groupBy("product_category").agg(F.avg("sales_cents").alias("mean_cents"))


# shuffle_partitions

ROUNDS = "whole rounds of tasks, none over the target"


@right(shuffle_partitions)
def by_counting(shuffle_bytes, cores, target_bytes):
    number = cores
    while number * target_bytes < shuffle_bytes:
        number += cores
    return number


@wrong(shuffle_partitions, misconception="200, whatever the data", fails=ROUNDS, hint=2)
def the_default(shuffle_bytes, cores, target_bytes):
    return 200


@wrong(shuffle_partitions, misconception="rounded down", fails=ROUNDS, hint=3)
def rounded_down(shuffle_bytes, cores, target_bytes):
    return max(1, -(-(shuffle_bytes // target_bytes) // cores)) * cores


@wrong(shuffle_partitions, misconception="idle cores in the last round", fails=ROUNDS, hint=4)
def without_rounds(shuffle_bytes, cores, target_bytes):
    return max(1, -(-shuffle_bytes // target_bytes))


@wrong(shuffle_partitions, misconception="as many as there are cores", fails=ROUNDS, hint=5)
def cores_alone(shuffle_bytes, cores, target_bytes):
    return cores


# march_sales

SALES = "the sales of each store"
FILES = "only four weeks' files are read"


def by_store(purchases):
    return purchases.groupBy("store_id").agg(F.sum("sales_cents").alias("sales_cents"))


@right(march_sales)
def filtered_afterwards(purchases):
    weekly = purchases.groupBy("store_id", "week").agg(F.sum("sales_cents").alias("sales_cents"))
    return by_store(weekly.where(F.col("week").isin(10, 11, 12, 13)))


@wrong(march_sales, misconception="filter on a derived column", fails=FILES, hint=2)
def derived_week(purchases):
    local = F.from_utc_timestamp("time", "America/New_York")
    return by_store(purchases.where((F.weekofyear(local) + 1).between(10, 13)))


@wrong(march_sales, misconception="filter on the time", fails=FILES, hint=2)
def by_time(purchases):
    return by_store(purchases.where("time >= '2017-02-27 05:00' AND time < '2017-03-27 04:00'"))


@wrong(march_sales, misconception="a range without its end", fails=SALES, hint=3)
def without_the_last(purchases):
    return by_store(purchases.where("week >= 10 AND week < 13"))


# compact


@right(compact)
def by_range(purchases):
    return purchases.repartitionByRange(6, "week")


@wrong(compact, misconception="as it comes", fails="one file for each week", hint=2)
def untouched(purchases):
    return purchases


@wrong(compact, misconception="more partitions are faster", fails="one file for each week", hint=2)
def too_many(purchases):
    return purchases.repartition(40)


@wrong(
    compact,
    misconception="coalesce(1)",
    fails="no task writes over 60% of the rows",
    hint=3,
)
def a_single_task(purchases):
    return purchases.coalesce(1)


@wrong(compact, misconception="a sample is enough", fails="every purchase is written once", hint=1)
def one_a_basket(purchases):
    return purchases.dropDuplicates(["basket_id"]).repartition("week")
