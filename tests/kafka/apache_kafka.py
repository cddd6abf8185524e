"""A real Apache Kafka for the tests: jars by Maven, one node in KRaft mode on free ports."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from collections.abc import Iterator

POM: Final = Path(__file__).with_name("pom.xml")
CACHE: Final = POM.parents[2] / ".cache"
JAVA_NEEDED: Final = 17
START_SECONDS: Final = 60

PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
num.partitions=4
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
"""


class KafkaMissingError(Exception):
    """Apache Kafka cannot be had on this machine; the text says why."""


def classpath() -> str:
    """Name the server's jars; Maven fetches them the first time and is not asked again.

    Raises
    ------
    KafkaMissingError
        There is no Java 17 or no Maven, or Maven cannot fetch the jars.
    """
    _need_java()
    known = CACHE / "kafka.classpath"
    if known.exists() and known.stat().st_mtime >= POM.stat().st_mtime:
        jars = known.read_text()
        if all(Path(jar).exists() for jar in jars.split(os.pathsep)):
            return jars
    if shutil.which("mvn") is None:
        raise KafkaMissingError("no mvn on the PATH, and so no jars of Apache Kafka")
    CACHE.mkdir(exist_ok=True)
    command = ["mvn", "-B", "-q", "-f", str(POM), "dependency:build-classpath"]
    done = subprocess.run(
        [*command, f"-Dmdep.outputFile={known}"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise KafkaMissingError(f"Maven did not get the jars: {done.stdout.strip()[-300:]}")
    return known.read_text()


def _need_java() -> None:
    if shutil.which("java") is None:
        raise KafkaMissingError("no java on the PATH")
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    found = re.search(r'version "(\d+)', told)
    if found is None or int(found[1]) < JAVA_NEEDED:
        raise KafkaMissingError(f"Apache Kafka needs Java {JAVA_NEEDED}; here is: {told.strip()}")


class ApacheKafka:
    """One broker in a process of its own, with its data in `folder`."""

    def __init__(self, folder: Path, jars: str) -> None:
        self._folder = folder
        self._java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        self._java += ["-cp", jars]
        self._port, controller = _free_port(), _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.brokers: Final = (f"127.0.0.1:{self._port}",)
        self._properties = folder / "server.properties"
        self._properties.write_text(
            PROPERTIES.format(broker=self._port, controller=controller, data=folder / "data")
        )

    def format(self) -> None:
        """Make the data folder, once."""
        tool = [*self._java, "kafka.tools.StorageTool", "format", "-t", "a25vY2tvZmYtdGVzdHMtMQ"]
        subprocess.run([*tool, "-c", self._properties], check=True, capture_output=True)

    def start(self) -> None:
        """Start the broker and wait until it answers."""
        with (self._folder / "server.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*self._java, "kafka.Kafka", self._properties], stdout=output, stderr=output
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.05)
        told = (self._folder / "server.log").read_text()[-2000:]
        raise RuntimeError(f"Apache Kafka did not start:\n{told}")

    def kill(self) -> None:
        """End it as a power cut would, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Create a topic and wait until it is there."""
        admin = AdminClient({"bootstrap.servers": self.brokers[0], "log_level": 0})
        created = admin.create_topics([NewTopic(name, partitions, 1)], operation_timeout=20)
        created[name].result()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Kill the broker; start it again, with its data, at the end of the block."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it take connections but do nothing until the end of the block."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def apache_kafka(folder: Path) -> Iterator[ApacheKafka]:
    """Run a broker until the end of the block.

    Raises
    ------
    KafkaMissingError
        It cannot be had on this machine.
    """
    kafka = ApacheKafka(folder, classpath())
    kafka.format()
    try:
        kafka.start()
        _wait_until_it_serves(kafka)
        yield kafka
    finally:
        kafka.kill()


def _wait_until_it_serves(kafka: ApacheKafka) -> None:
    """Create a topic, which works some time after the port is open."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            return kafka.create_topic("the-first-one")
        except KafkaException:
            if time.monotonic() > until:
                raise


def _free_port() -> int:
    with closing(socket.socket()) as chooser:
        chooser.bind(("127.0.0.1", 0))
        port: int = chooser.getsockname()[1]
        return port
