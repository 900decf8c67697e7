"""Every error that Mien raises on purpose.

    MienError
    ├── SettingsInvalid       78   a setting or command-line value cannot be used
    │   └── FileInvalid            a file of rules or cameras cannot be used
    ├── TopicsDiffer          78   Kafka's topics are not as the settings want them
    ├── FramesLost            65   a lossless camera could not publish all of its frames
    ├── ProbeFailed            1   the chain did not answer the probe as it should
    ├── InputRefused          65   the data is wrong; trying again gives the same answer
    │   ├── BadPicture             a picture is corrupt, too large or no picture at all
    │   └── BadMessage             a Kafka message does not follow its schema
    │       └── WrongLandmarkSet   … or was made with another landmark set than the model's
    ├── SourceNotFound        66   a camera source, file or folder does not exist
    ├── SourceLost            69   a camera that worked stopped giving pictures      (retriable)
    ├── ModelUnusable         72   the model file is missing, corrupt or foreign
    ├── OutputFailed          73   a result cannot be written (read-only, full disk)
    ├── LabMissing            69   the verb needs libraries of the extra `lab`, which is not installed
    └── ServiceUnavailable    69                                                       (retriable)
        ├── BrokerUnavailable      Kafka does not answer                               (retriable)
        ├── TopicMissing           Kafka answers, but a topic was not created yet      (retriable)
        ├── GroupTaken             another program uses the consumer group             (retriable)
        ├── RedisUnavailable       Redis does not answer                               (retriable)
        ├── KafkaServerUnavailable the local Apache Kafka cannot be started
        └── AccessDenied      77   wrong credentials or missing rights

``exit_code`` follows sysexits.h. ``retriable`` tells whether the same call may succeed later
without anybody changing anything. Messages say what was wrong, where, and what to do. ``models``
raises the built-in ValueError and OSError instead, because it knows nothing of streams; ``workers``
turns them into these.
"""

from typing import ClassVar


class MienError(Exception):
    """Base of all errors that Mien raises on purpose; never raised itself."""

    retriable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1


class SettingsInvalid(MienError):
    """A setting or command-line value cannot be used."""

    exit_code = 78


class FileInvalid(SettingsInvalid):
    """A file of rules, of their tests, or of cameras cannot be used; says where each problem stands."""


class TopicsDiffer(MienError):
    """Kafka's topics are not as the settings want them."""

    exit_code = 78


class FramesLost(MienError):
    """A lossless camera could not publish all of its frames."""

    exit_code = 65


class ProbeFailed(MienError):
    """The chain did not answer the probe as it should; says what came and what not."""


class InputRefused(MienError):
    """The data is wrong. ``reason`` is a short label, bounded so that it can be a metric label."""

    exit_code = 65

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class BadPicture(InputRefused):
    """A picture is corrupt, too large or no picture at all."""


class BadMessage(InputRefused):
    """A Kafka message does not follow its schema."""

    def __init__(self, message: str, *, reason: str = "bad-message") -> None:
        super().__init__(message, reason=reason)


class WrongLandmarkSet(BadMessage):
    """The points of a message were chosen by another landmark set than the model's."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="wrong-landmark-set")


class SourceNotFound(MienError):
    """A camera source, file or folder does not exist or cannot be read."""

    exit_code = 66


class SourceLost(MienError):
    """A camera that worked stopped giving pictures."""

    retriable = True
    exit_code = 69


class ModelUnusable(MienError):
    """The model file is missing, corrupt or not one of Mien's."""

    exit_code = 72


class OutputFailed(MienError):
    """A result cannot be written."""

    exit_code = 73


class LabMissing(MienError):
    """A verb needs what only the extra ``lab`` brings: to train, to judge, or to show a demo."""

    exit_code = 69


class ServiceUnavailable(MienError):
    """Kafka or Redis cannot be used now."""

    retriable = True
    exit_code = 69


class BrokerUnavailable(ServiceUnavailable):
    """Kafka does not answer."""


class TopicMissing(ServiceUnavailable):
    """Kafka answers, but a topic was not created yet."""


class GroupTaken(ServiceUnavailable):
    """Another program uses the consumer group, with another way of sharing partitions."""


class RedisUnavailable(ServiceUnavailable):
    """Redis does not answer."""


class KafkaServerUnavailable(ServiceUnavailable):
    """The local Apache Kafka cannot be started."""

    retriable = False


class AccessDenied(ServiceUnavailable):
    """The credentials are wrong, or rights are missing."""

    retriable = False
    exit_code = 77
