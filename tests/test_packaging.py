"""The files that pin things agree: pyproject.toml, requirements.txt, jars.lock, compose, conda."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from streamgym.stack import jars, kafka, spark

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = (ROOT / "requirements.txt").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
SERVICES = COMPOSE["services"]
EXTRAS = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]

BY_LISTENER = {"listener.security.protocol.map"}
FOR_A_LAPTOP = {"log.cleaner.dedupe.buffer.size", "num.network.threads", "num.io.threads"}


def pins(name: str) -> list[Requirement]:
    """Return what requirements.txt pins of a package; one a Python version where they differ."""
    lines = re.findall(r"^([a-z0-9][^\\\n]*?) *\\?$", PINS, re.MULTILINE | re.IGNORECASE)
    return [
        pin
        for pin in map(Requirement, lines)
        if canonicalize_name(pin.name) == canonicalize_name(name)
    ]


def version_of(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", requirement
    return specifier.version


def image(service: str) -> tuple[str, str]:
    name, _, tag = SERVICES[service]["image"].rpartition(":")
    return name, tag


# requirements.txt


def test_every_requirement_is_pinned_with_a_hash():
    entries = re.split(r"^(?=[a-z0-9])", PINS, flags=re.MULTILINE | re.IGNORECASE)[1:]
    assert len(entries) > 100
    for entry in entries:
        assert re.match(r"\S+==\S+", entry), entry[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry[:80]


def test_requirements_name_no_host():
    assert "://" not in PINS
    assert "index-url" not in PINS
    assert "find-links" not in PINS


@pytest.mark.parametrize("line", [*PROJECT["dependencies"], *EXTRAS])
def test_each_dependency_is_pinned_within_its_range(line):
    wanted = Requirement(line)
    found = pins(wanted.name)
    assert found
    for pin in found:
        assert wanted.specifier.contains(version_of(pin))


# jars.lock


@pytest.mark.parametrize("section", ["kafka", "spark"])
def test_each_jar_has_a_hash_and_there_is_one_version_of_each(section):
    locked = jars.locked()[section]
    assert locked
    for jar in locked:
        assert re.fullmatch(r"[\w.-]+:[\w.-]+:[\w.-]+", jar.coordinate)
        assert re.fullmatch("[0-9a-f]{64}", jar.sha256), jar
    names = sorted(jar.coordinate.rpartition(":")[0] for jar in locked)
    assert all(a != b for a, b in pairwise(names))


def test_the_lock_holds_what_the_stack_asks_for():
    locked = {section: [j.coordinate for j in found] for section, found in jars.locked().items()}
    for module, section in ((kafka, "kafka"), (spark, "spark")):
        asked = [part for line in module.COORDINATES for part in line.split("+")]
        assert set(asked) <= set(locked[section])


def test_spark_and_its_connector_are_of_one_version():
    assert version_of(Requirement(next(d for d in PROJECT["dependencies"] if "pyspark" in d))) == (
        spark.VERSION
    )
    assert [version_of(pin) for pin in pins("pyspark")] == [spark.VERSION]


# docker-compose.yml


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_a_full_version(service):
    name, tag = image(service)
    assert name
    assert re.match(r"\d+\.\d+", tag)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_when_it_is_ready_and_listens_on_loopback_only(service):
    assert SERVICES[service]["healthcheck"]["test"]
    assert SERVICES[service]["ports"]
    for port in SERVICES[service]["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_the_images_are_of_the_stacks_versions():
    assert image("kafka") == ("apache/kafka", kafka.VERSION)
    assert image("spark") == ("apache/spark", spark.VERSION)
    (packages,) = (part for part in SERVICES["spark"]["command"] if "--packages" in part)
    assert packages.removeprefix("--packages=").split(",") == spark.COORDINATES


def test_the_broker_has_the_stacks_settings():
    environment = SERVICES["kafka"]["environment"]
    assert environment["CLUSTER_ID"] == kafka.CLUSTER_ID
    for key in kafka.SETTINGS.keys() - BY_LISTENER - FOR_A_LAPTOP:
        name = "KAFKA_" + key.upper().replace(".", "_")
        assert environment[name] == str(kafka.SETTINGS[key]), key


def test_each_listener_is_advertised_where_it_listens():
    environment = SERVICES["kafka"]["environment"]
    listening = dict(item.split("://") for item in environment["KAFKA_LISTENERS"].split(","))
    called = dict(
        item.split("://") for item in environment["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    protocols = environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    assert {item.split(":")[0] for item in protocols} == set(listening)
    for name, address in called.items():
        assert address.endswith(listening[name])
    assert called["OUTSIDE"] == "127.0.0.1:9092"


def test_spark_has_the_stacks_settings():
    command = SERVICES["spark"]["command"]
    bound = {"spark.driver.host", "spark.driver.bindAddress", "spark.ui.showConsoleProgress"}
    for key in spark.SETTINGS.keys() - bound:
        assert f"--conf={key}={spark.SETTINGS[key]}" in command


def test_notebooks_reach_the_services_by_their_names():
    environment = SERVICES["jupyter"]["environment"]
    inside = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")[0]
    assert environment["KAFKA_BOOTSTRAP_SERVERS"] == inside.removeprefix("INSIDE://")
    assert environment["SPARK_REMOTE"] == "sc://spark:15002"
    assert "--conf=spark.connect.grpc.binding.port=15002" in SERVICES["spark"]["command"]
    assert set(SERVICES["jupyter"]["depends_on"]) == SERVICES.keys() - {"jupyter"}


def test_jupyter_installs_the_pins_and_checks_their_hashes():
    (script,) = (part for part in SERVICES["jupyter"]["command"] if "pip" in part)
    assert "pip install --require-hashes -r requirements.txt" in script
    assert "exec jupyter lab" in script


def test_volumes_are_declared():
    named = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert named == set(COMPOSE["volumes"])


# Python, Java and the licence


def test_python_is_one_that_the_project_supports():
    supported = SpecifierSet(PROJECT["requires-python"])
    _, tag = image("jupyter")
    conda = dict(line.split("=") for line in CONDA["dependencies"] if "=" in line)
    assert supported.contains(tag.split("-")[0])
    assert supported.contains(conda["python"] + ".0")
    assert int(conda["openjdk"].split(".")[0]) >= 17


def test_conda_takes_the_same_pins():
    assert CONDA["name"] == "streamgym"
    assert CONDA["channels"] == ["conda-forge"]
    (by_pip,) = (item["pip"] for item in CONDA["dependencies"] if isinstance(item, dict))
    assert by_pip == ["-r requirements.txt"]


def test_the_licence_is_the_one_that_is_declared():
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith(f"{PROJECT['license']} License")
    assert "2026 the streamgym authors" in text
