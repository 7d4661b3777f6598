# ---
# title: Skew
# chapters: [11, 18]
# questions: [9, 22, 24]
# minutes: 90
# ---

# %% [markdown]
# # Skew: fifteen tasks are done, one is not
#
# The nightly report of a grocery chain takes hours. The cluster was doubled, and it takes just as long. On Spark's page a stage stands at 15 of 16 tasks, and that one task goes on and on.
#
# In this lab you find that task, see why it is so large, and learn six ways to make it small without getting a wrong result.

# %%
from random import Random

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from streamgym.data import journey
from streamgym.lab import Lab, pictures
from streamgym.lab.tasks import measure

lab = Lab("13_skew", student="")  # write your name: it draws your own slice of the data

# %% [markdown]
# The data is real: what 2,469 households bought in a year, and what was promoted in which store and week. All of it is 1.5 million purchases and 21 million promotions. You get a slice: half a year of some categories.

# %%
part = journey.sample(Random(lab.student))
spark = lab.spark()
purchases, promotions, products = journey.spark_tables(spark, part)
for name, table in part.tables.items():
    print(f"{name:12}{len(table):9,} rows")

# %% [markdown]
# ## 1. One key is hot
#
# Guess first: of all these purchases, how many are of the product that is bought most?

# %%
top = part.purchases["product_id"].value_counts(normalize=True).head(5).rename("share")
part.products.set_index("product_id")[["product_type"]].join(top, how="right")

# %% [markdown]
# Bananas. That is no error in the data: real keys are like this. One product, one customer, one country has most of the rows.
#
# Now the naive join: each purchase with the advertisements of its product, from the mailer of the same week or the week before. To join by key, Spark **shuffles**: a row goes to the partition that the key's hash names.

# %%
shown = promotions.where("mailer_location != '0'")
shown = shown.select("product_id", F.col("week").alias("ad_week"))
ads = shown.distinct()  # one for each product and week, whatever the store
recent = "week - ad_week IN (0, 1)"
naive = purchases.join(ads, "product_id").where(recent)

# Do as the query says: no broadcasts, no help. We come back to each of these settings.
plain = {
    "spark.sql.shuffle.partitions": 16,
    "spark.sql.autoBroadcastJoinThreshold": -1,
    "spark.sql.adaptive.enabled": False,
}
measure(naive, plain)  # the first run of a query compiles it: look at the second
hot = measure(naive, plain)
pictures.tasks(naive_join=hot)

# %% [markdown]
# Each bar is a task; the number on it is its milliseconds. Both are Spark's own, read from its REST interface. All bananas have one hash, so they are in one task.
#
# The data is small, so most milliseconds are spent on starting. Give each row more to do: every *store's* ads.

# %%
every_store = purchases.join(shown, "product_id").where(recent).groupBy("week").count()
pictures.tasks(ads_of_every_store=measure(every_store, plain))

# %% [markdown]
# The other products have rows now too, and still one task takes several times as long as the rest: each banana meets each ad for bananas. A stage lasts as long as its longest task. More machines would not help at all.
#
# **Exercise.** `records` holds what each task of a stage read. Return the largest task's share of the whole, 0.0 when nothing was read.


# %%
def largest_share(records: list[int]) -> float:
    # BEGIN SOLUTION
    return max(records) / sum(records) if sum(records) else 0.0
    # END SOLUTION


# %%
lab.check("largest_share")

# %% [markdown]
# Time is what hurts, but time differs from run to run, above all on data this small. Records do not. In this lab the checks count records.

# %% [markdown]
# ## 2. A join that makes rows
#
# Before skew, rule out a cheaper fault. Which purchases were of a product that the mailer of that week showed? Look at how many rows come out.

# %%
in_mailer = promotions.where("mailer_location != '0'").select("product_id", "week")
blown = purchases.join(in_mailer, ["product_id", "week"])
f"{purchases.count():,} purchases, {blown.count():,} rows after the join"

# %% [markdown]
# `promotions` has a row for every *store*. A purchase meets them all. Many people now add `distinct()` at the end, and the result is right again, after Spark has made, sorted and shuffled rows that nobody wanted.

# %% [markdown]
# **Exercise.** Return `basket_id`, `product_id` and `sales_cents` of the purchases whose product was in the mailer (`mailer_location` is not `'0'`) in the purchase's week, in any store. Each once, and the join must not make more rows than there are purchases.


# %%
def mailed(purchases: DataFrame, promotions: DataFrame) -> DataFrame:
    # BEGIN SOLUTION
    shown = promotions.where("mailer_location != '0'").select("product_id", "week").distinct()
    both = purchases.join(shown, ["product_id", "week"])
    return both.select("basket_id", "product_id", "sales_cents")
    # END SOLUTION


# %%
lab.check("mailed")

# %% [markdown]
# ## 3. Broadcast: no shuffle, no skew
#
# When one side is small, Spark can copy it to every worker. The big side then stays where it is: no shuffle, so no hot partition. Spark does so by itself when it *believes* that a side is below 10 MB; when it is wrong, or does not know, you tell it.
#
# **Exercise.** Return `basket_id`, `product_id`, `sales_cents` and `product_category` of each purchase. Spark's own guess is switched off: give a hint.


# %%
def categories(purchases: DataFrame, products: DataFrame) -> DataFrame:
    # BEGIN SOLUTION
    both = purchases.join(F.broadcast(products), "product_id")
    return both.select("basket_id", "product_id", "sales_cents", "product_category")
    # END SOLUTION


# %%
lab.check("categories")

# %% [markdown]
# A broadcast that is too big is worse than a shuffle: every worker holds all of it, and the driver too. It must fit, also next year.

# %% [markdown]
# ## 4. Salting
#
# Both sides are big: what now? Break the hot key up. Put a random number, the **salt**, beside the key of the skewed side: `(bananas, 0)` … `(bananas, 15)` have 16 hashes. First try it the simple way: a random salt on either side.

# %%
salt = (F.rand() * 16).cast("int")
both_random = purchases.withColumn("salt", salt).join(
    ads.withColumn("salt", salt), ["product_id", "salt"]
)
f"{naive.count():,} rows are due, {both_random.where(recent).count():,} came"

# %% [markdown]
# Fast, and wrong. A purchase with salt 7 finds its ad only if a row with salt 7 is there. So the *other* side is copied, one row for each salt: it grows sixteenfold, which is the price of salting.

# %% [markdown]
# **Exercise.** Return `basket_id`, `product_id`, `week` and `ad_week` of each purchase with each ad of its week or the week before. `ads` has `product_id` and `ad_week`. Neither fits into memory, so do not broadcast. There are 16 shuffle partitions, and no task may read more than a quarter of the records.


# %%
def after_ads(purchases: DataFrame, ads: DataFrame) -> DataFrame:
    # BEGIN SOLUTION
    salted = purchases.withColumn("salt", (F.rand() * 16).cast("int"))
    copied = ads.withColumn("salt", F.explode(F.sequence(F.lit(0), F.lit(15))))
    both = salted.join(copied, ["product_id", "salt"])
    return both.where("week - ad_week IN (0, 1)").select(
        "basket_id", "product_id", "week", "ad_week"
    )
    # END SOLUTION


# %%
lab.check("after_ads")

# %% [markdown]
# See the difference on your own slice, side by side with the naive join. Is the longest bar still the bananas?

# %%
try:
    pictures.tasks(naive_join=hot, yours=measure(after_ads(purchases, ads), plain))
except NotImplementedError:
    print("write after_ads first")

# %% [markdown]
# In production only the hot keys are salted: count them first, and copy only their rows. The idea is the same.

# %% [markdown]
# ## 5. The key that nobody chose: null
#
# A left join keeps rows without a match. Each purchase may have a `page`, the page of the mailer that it was on; most have none. Nulls match nothing, but they all have the same hash.

# %%
rows = [(n, f"A-{n % 9}" if n % 6 == 0 else None) for n in range(6000)]
lines = spark.createDataFrame(rows, "basket_id long, page string")
costs = spark.createDataFrame([(f"A-{n}", n) for n in range(9)], "page string, cost_cents long")
pictures.tasks(left_join=measure(lines.join(costs, "page", "left"), plain))

# %% [markdown]
# **Exercise.** Return `basket_id`, `product_id` and `cost_cents` of every purchase; without a page there is no cost. Beware: `pages` also holds a row whose `page` is unknown (null). It is nobody's page. Do not broadcast; at most a quarter of the records in a task.


# %%
def page_costs(purchases: DataFrame, pages: DataFrame) -> DataFrame:
    # BEGIN SOLUTION
    columns = ["basket_id", "product_id", "cost_cents"]
    known = purchases.where("page IS NOT NULL").join(pages, "page", "left").select(*columns)
    unknown = purchases.where("page IS NULL").withColumn("cost_cents", F.lit(None).cast("long"))
    return known.union(unknown.select(*columns))
    # END SOLUTION


# %%
lab.check("page_costs")

# %% [markdown]
# ## 6. Adaptive execution
#
# Spark can split a skewed partition by itself: **AQE**, adaptive query execution, looks at the sizes after the shuffle. It is on by default. Switch it on for the naive join:

# %%
adaptive = plain | {"spark.sql.adaptive.enabled": True}
pictures.tasks(off=hot, on=measure(naive, adaptive))

# %% [markdown]
# It did act: it saw that all is tiny, and made one task of it. But it split nothing. A partition is *skewed* if it is larger than five times the median **and** than 256 MB. Ours has some 60 kB. On a laptop, and in many a nightly job, AQE never thinks it worth the while.

# %% [markdown]
# **Exercise.** Return the settings, name and value, all from `spark.sql.adaptive.`, with which AQE splits our hot partition. A partition is cut into pieces of the *advisory* size. No task may read more than 40 % of the join's records.


# %%
def skew_settings() -> dict:
    # BEGIN SOLUTION
    return {
        "spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes": "16KB",
        "spark.sql.adaptive.advisoryPartitionSizeInBytes": "16KB",
    }
    # END SOLUTION


# %%
lab.check("skew_settings")

# %% [markdown]
# AQE splits only joins, only between map outputs, and not in every kind of outer join. When the key is in an aggregation, you are on your own.

# %% [markdown]
# ## 7. Aggregate in two steps
#
# `groupBy("product_category").sum()` does not suffer: Spark adds up in each task *before* the shuffle, and ships one row a category. A window function cannot: all rows of the key must come together.

# %%
labelled = purchases.join(F.broadcast(products), "product_id")
mean = F.avg("sales_cents")
by_group = labelled.groupBy("product_category").agg(mean)
by_window = labelled.withColumn("mean", mean.over(Window.partitionBy("product_category")))
for name, query in {"group": by_group, "window": by_window}.items():
    print(f"{name:8}{measure(query, plain).shuffled:9,} records shuffled")

# %% [markdown]
# **Exercise.** `purchases` has `basket_id`, `product_id`, `product_category` and `sales_cents`. Return each purchase's `basket_id` and `product_id` with `mean_cents`, the mean of its category, without shuffling the purchases.


# %%
def beside_the_mean(purchases: DataFrame) -> DataFrame:
    # BEGIN SOLUTION
    means = purchases.groupBy("product_category").agg(F.avg("sales_cents").alias("mean_cents"))
    both = purchases.join(F.broadcast(means), "product_category")
    return both.select("basket_id", "product_id", "mean_cents")
    # END SOLUTION


# %%
lab.check("beside_the_mean")

# %% [markdown]
# If you salt an aggregation, its first step must keep what can be added: sums and counts. Means cannot.

# %% [markdown]
# ## 8. How many shuffle partitions?
#
# Spark's default is 200, chosen for nobody in particular. Count the purchases of each store with 200 and with 4: look at the tasks' milliseconds.

# %%
by_store = purchases.groupBy("store_id").count()
sizes = {
    f"with_{n}": measure(by_store, plain | {"spark.sql.shuffle.partitions": n}) for n in (4, 200)
}
for name, found in sizes.items():
    tasks = found.skewed.tasks
    print(name, len(tasks), "tasks,", sum(task.milliseconds for task in tasks), "ms of tasks")

# %% [markdown]
# **Exercise.** Return the number of partitions for a shuffle of `shuffle_bytes`: the fewest such that, spread evenly, none is over `target_bytes`, and the tasks run in whole rounds over all `cores`.


# %%
def shuffle_partitions(shuffle_bytes: int, cores: int, target_bytes: int) -> int:
    # BEGIN SOLUTION
    least = -(-shuffle_bytes // target_bytes)
    return max(1, -(-least // cores)) * cores
    # END SOLUTION


# %%
lab.check("shuffle_partitions")

# %% [markdown]
# ## 9. Rows that you never read
#
# The fastest task is none. Our purchases lie in folders called `week=1`, `week=2`, … A filter on `week` lets Spark skip whole folders before it opens a file: **partition pruning**.

# %%
year = journey.read(spark, "purchases")
week_13 = measure(year.where("week = 13").groupBy("store_id").count(), plain)
print(week_13.files_read, "of", len(year.inputFiles()), "files opened")

# %% [markdown]
# **Exercise.** Return `store_id` and `sales_cents`, the sum over the weeks 10 to 13, for each store. Open no other week's file.


# %%
def march_sales(purchases: DataFrame) -> DataFrame:
    # BEGIN SOLUTION
    weeks = purchases.where(F.col("week").between(10, 13))
    return weeks.groupBy("store_id").agg(F.sum("sales_cents").alias("sales_cents"))
    # END SOLUTION


# %%
lab.check("march_sales")

# %% [markdown]
# ## 10. Small files
#
# Who writes those folders? Each task writes a file of its own into every folder that it has rows for. 40 tasks and 53 weeks make 2,120 files, and every later query opens them all.
#
# **Exercise.** The check will write what you return with `.write.partitionBy("week")`. Return all purchases, laid out such that each week gets one file and no task writes more than 60 % of the rows.


# %%
def compact(purchases: DataFrame) -> DataFrame:
    # BEGIN SOLUTION
    return purchases.repartition("week")
    # END SOLUTION


# %%
lab.check("compact")

# %% [markdown]
# ## What you can now answer
#
# - *How do you handle data skew?* Look at the largest task's share first. Then: distinct or aggregate before the join, broadcast the small side, salt both sides, keep nulls out, let AQE split, with thresholds that fit.
# - *Why must the other side be copied when I salt?* Because a salted key finds only rows with the same salt.
# - *How do you optimise a batch job?* Read less (pruning), move less (broadcast, two steps), and size the tasks.
# - *Why did more machines not help?* One key is one task.

# %%
lab.progress()
