"""The jars of the local Apache Kafka, fetched once with Maven, and the programs needed to run them."""

import shutil
import subprocess
from pathlib import Path

from streams.errors import KafkaServerUnavailable

POM = Path(__file__).with_name("kafka.pom.xml")
DEFAULT_LIB_DIR = Path(".kafka/lib")


def fetch_jars(lib_dir: Path = DEFAULT_LIB_DIR) -> None:
    """Fetch Kafka's jars with Maven into ``lib_dir``, unless those that the pom asks for are there.

    Raises KafkaServerUnavailable without Maven or where Maven fails.
    """
    if jars_ready(lib_dir):
        return
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaServerUnavailable(
            "Maven (mvn) is not installed, so Kafka's jars cannot be fetched. Run `make kafka`, which "
            "installs it, or install the packages openjdk-17-jre-headless and maven"
        )
    shutil.rmtree(lib_dir, ignore_errors=True)  # never two versions on one class path
    goal = [
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        f"-DoutputDirectory={lib_dir.resolve()}",
    ]
    command = [maven, "--batch-mode", "--quiet", "--file", str(POM), *goal]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise KafkaServerUnavailable(
            f"Maven could not fetch Kafka's jars into {lib_dir} (exit status {done.returncode}):\n"
            f"{tail(done.stdout + done.stderr)}"
        )
    shutil.copyfile(POM, lib_dir / POM.name)  # last: says that the folder is complete, and for which pom


def jars_ready(lib_dir: Path = DEFAULT_LIB_DIR) -> bool:
    """Whether ``lib_dir`` holds exactly what the pom asks for."""
    stamp = lib_dir / POM.name
    return stamp.is_file() and stamp.read_bytes() == POM.read_bytes()


def tool(name: str) -> str:
    """The path of Java or one of its tools; raises KafkaServerUnavailable where it is not installed."""
    path = shutil.which(name)
    if path is None:
        raise KafkaServerUnavailable(
            f"{name} is not installed, and Apache Kafka needs Java 17 or newer. Run `make kafka`, which "
            "installs it, or install the package openjdk-17-jre-headless"
        )
    return path


def run(command: list[str]) -> None:
    """Run a tool to its end; raises KafkaServerUnavailable with the end of its output where it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise KafkaServerUnavailable(
            f"{Path(command[0]).name} failed with exit status {done.returncode} while the local Kafka was "
            "prepared:\n"
            f"{tail(done.stdout + done.stderr)}"
        )


def tail(text: str, lines: int = 30) -> str:
    """The last lines of a log."""
    return "\n".join(text.splitlines()[-lines:])
