"""All settings, read from the environment (``MIEN_…``). The only file that reads the environment.

``Settings()`` reads it; everything else gets the object handed in, so tests build their own. A secret may
stand in a file instead: ``MIEN_REDIS_URL_FILE`` names the file that holds ``MIEN_REDIS_URL``.
"""

import ipaddress
import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, get_args

import msgspec
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from streams.errors import SettingsInvalid
from streams.printable import printable
from streams.redact_url import is_loopback, parse_url, redact_url
from streams.secret_file import read_secret
from streams.topics import Topics

_SERVER = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")


class Settings(BaseSettings):
    """Every setting, with its default: that of a laptop, plaintext Kafka and Redis on localhost."""

    model_config = SettingsConfigDict(
        env_prefix="MIEN_",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    # Kafka
    kafka_bootstrap_servers: str = Field("localhost:9092", description="host:port, several with commas")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="as Kafka names them"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="used with SASL only"
    )
    kafka_sasl_username: str | None = Field(None, description="needed with SASL")
    kafka_sasl_password: SecretStr | None = Field(None, description="needed with SASL; never printed")
    kafka_ssl_ca_file: Path | None = Field(None, description="CA to trust; the system's CAs without it")
    kafka_ssl_cert_file: Path | None = Field(None, description="client certificate, for mutual TLS")
    kafka_ssl_key_file: Path | None = Field(None, description="its key")
    kafka_ssl_key_password: SecretStr | None = Field(None, description="of that key, if it is encrypted")
    kafka_fetch_max_wait_ms: int = Field(500, ge=1, description="5 on the embedded broker, which never wakes")
    kafka_session_timeout_s: float = Field(
        10.0, ge=1, description="a dead worker's partitions move after this"
    )

    allow_plaintext: bool = Field(
        False,
        description="true: Kafka and Redis may be reached without TLS beyond this machine, where others on "
        "the way read pictures and passwords",
    )

    # Topics
    topic_prefix: str = Field("mien", pattern=r"^[a-zA-Z0-9._-]{1,100}$", description="of topics and groups")
    topic_partitions: int = Field(8, ge=1, description="the most workers that can share a stage")
    topic_replication: int = Field(1, ge=1, description="copies of each partition")
    frames_retention_ms: int = Field(60_000, ge=1_000, description="privacy: pictures are kept this long")
    allow_longer_frames_retention: bool = Field(
        False,
        description="true: work even where the frames topic keeps pictures longer",
    )
    events_retention_ms: int = Field(24 * 3600 * 1000, ge=1_000, description="landmarks, emotions, alerts")
    verdicts_retention_ms: int = Field(
        90 * 24 * 3600 * 1000, ge=1_000, description="verdicts on alerts, from which precision is counted"
    )
    dead_letters_retention_ms: int = Field(
        3600 * 1000, ge=1_000, description="these may hold refused pictures"
    )

    # Redis
    redis_url: str = Field(
        "redis://localhost:6379/0", repr=False, description="rediss:// for TLS; may hold a password"
    )
    redis_sentinels: str | None = Field(
        None, description="host:port, several with commas: they name the primary, instead of the URL's host"
    )
    redis_sentinel_primary: str = Field("mymaster", description="the name that the Sentinels know it by")
    redis_sentinel_password: SecretStr | None = Field(None, description="of the Sentinels; never printed")

    # Frames
    frames: Literal["publish", "none"] = Field(
        "publish",
        description="none: `mien camera` finds the faces itself and publishes landmarks alone; no picture "
        "leaves its process, and no `mien landmarks` is needed for it",
    )
    camera_source: SecretStr | None = Field(
        None,
        description="what `mien camera` reads where it has no --source, which every user of the machine can "
        "see in `ps`; may hold a password",
    )
    camera_frozen_s: float = Field(
        30.0,
        ge=0,
        description="a live camera that sends nothing new for so long is frozen: it is not up, and its "
        "pictures do not go on; 0: never",
    )
    probe_fps: float = Field(2.0, ge=0.2, le=10, description="frames a second of `mien probe`")
    probe_late_ms: int = Field(2_000, ge=10, description="an answer to the probe that takes longer is late")
    probe_missing_s: float = Field(10.0, ge=1, description="after so long an answer to the probe is missing")
    max_frame_age_ms: int = Field(2_000, ge=1, description="older live frames are dropped before decoding")
    thinning: bool = Field(
        True,
        description="where live frames must wait, those of empty pictures and of cameras with a low "
        "priority are left out first; false: whatever became too old",
    )
    trace_ratio: float = Field(
        0.01,
        ge=0,
        le=1,
        description="share of a camera's frames whose way through all stages is a trace to be recorded, "
        "with the frame's age as an exemplar",
    )
    tracing: Literal["off", "otlp"] = Field(
        "off", description="otlp: this process exports its spans; needs `pip install 'mien[otel]'`"
    )
    otlp_endpoint: str = Field(
        "http://localhost:4318/v1/traces", description="collector that takes spans by OTLP over HTTP"
    )
    max_frame_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="larger JPEGs are refused")
    max_frame_pixels: int = Field(
        4096 * 2304, ge=1, description="larger pictures are refused before decoding"
    )

    # Faces
    max_faces: int = Field(8, ge=1, description="followed at once in one camera")
    min_face_px: float = Field(
        40.0,
        ge=16,
        description="width of the smallest face that is searched for; half of it costs four times",
    )
    detect_interval_ms: int = Field(
        500, ge=0, description="how often the whole picture is searched for new, large faces, if it changed"
    )
    sweep_ms: int = Field(
        1_000, ge=100, description="within this time all parts that changed are searched for new, small faces"
    )
    search_tiles_max: int = Field(
        8, ge=1, description="parts searched in one frame, at most; a slow camera needs more for its sweep"
    )
    search_change: float = Field(
        8.0, ge=0, le=255, description="grey levels by which a part must have changed; 0 searches it anyway"
    )
    smooth_landmarks: bool = Field(
        False, description="true: less jitter from frame to frame (One Euro filter), no lag on movement"
    )
    hand_over: bool = Field(
        True,
        description="keep the places of faces in Redis, so that ids survive when partitions move; "
        "false: `mien landmarks` needs no Redis",
    )
    hand_over_ttl_s: int = Field(
        15,
        ge=1,
        description="for so long; longer than MIEN_KAFKA_SESSION_TIMEOUT_S, or a killed worker's ids end",
    )

    # Emotions
    model_path: Path | None = Field(
        None, description="an ONNX file made by `mien export`; the shipped one without"
    )
    own_neutral: bool = Field(
        True,
        description="learn each subject's own neutral face and compare with it; "
        "false: the population's for all, and `mien classify` needs no Redis",
    )
    classify_batch_max: int = Field(64, ge=1, description="faces classified at once, at most")
    operating_point: str = Field(
        "accurate",
        description="one of the model's: accurate, or balanced, which names rare emotions more often "
        "and is right less often",
    )
    own_operating_point: str = Field(
        "own",
        description="the same for faces compared with the subject's own neutral face: own, which hardly ever "
        "names a face at rest otherwise, or watchful, which sees weaker expressions too",
    )
    min_confidence: float | None = Field(
        None,
        ge=0,
        le=1,
        description="less sure answers abstain: low-confidence; without it the operating point's own",
    )
    # The limits of the picture are measured: docs/limits.md.
    min_inter_ocular_px: float = Field(16.0, ge=0, description="smaller faces abstain: small-face")
    max_yaw_deg: float = Field(21.0, ge=0, description="faces turned further abstain: extreme-pose")
    max_pitch_deg: float = Field(24.0, ge=0, description="the same up and down")
    min_sharpness: float = Field(0.0039, ge=0, description="less sharp faces abstain: blurred")
    min_visible: float = Field(
        0.9,
        ge=0,
        le=1,
        description="faces of which a smaller share lies in the picture abstain: partial-face",
    )
    still_after_s: float = Field(
        120.0,
        ge=30,
        description="a face that has not moved by itself for so long, as on a poster, is `still`: alerts "
        "leave it out",
    )
    explanation_landmarks: int = Field(10, ge=1, description="how many top landmarks an event lists")

    # Subjects
    window_s: float = Field(60.0, gt=0, description="length of each subject's rolling window")
    # Chosen by `mien evaluate --sequences`: docs/evaluation.md.
    smoothing_s: float = Field(
        0.4,
        gt=0,
        description="time constant of the smoothed probabilities: over it the log-odds of each emotion "
        "against neutral are averaged",
    )
    usual_s: float = Field(
        4.0,
        gt=0,
        description="time constant of what is usual for a subject while neutral; expressions must stand "
        "out from it",
    )
    turn_discount: float = Field(
        12.0,
        ge=0,
        description="log-odds taken off all emotions in a face 20° away from where it usually looks",
    )
    sustained_odds: float = Field(
        1.0,
        description="log-odds added to every emotion in faces compared with their own neutral face, whose "
        "operating point is careful with single frames; less: fewer false alarms, later answers",
    )
    subject_ttl_s: int = Field(600, ge=1, description="Redis forgets a subject so long after its last event")
    coverage_days: int = Field(
        7, ge=1, le=366, description="Redis keeps for so long where faces were seen and which could be read"
    )

    # Alerts
    alerts_path: Path = Field(
        Path("alerts.yaml"), description="the rules of `mien alerts`; read again whenever the file changes"
    )

    # Many cameras
    cameras_shard: str | None = Field(
        None,
        pattern=r"^([A-Za-z0-9.-]*-)?[0-9]{1,4}/[0-9]{1,4}$",
        description="2/5: `mien cameras` runs only the third fifth of its cameras (numbers begin at 0); a "
        "StatefulSet's pod name may stand before the number: mien-cameras-2/5",
    )

    # Live: docs/live.md
    live_host: str = Field(
        "127.0.0.1",
        description="address that `mien live` listens on; beyond loopback it needs MIEN_LIVE_ACCESS_FILE",
    )
    live_port: int = Field(8080, ge=0, le=65535, description="0 takes a free one")
    live_access_file: Path | None = Field(
        None, description="who may see which cameras: docs/live.md; read again whenever it changes"
    )
    live_secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="signs sessions and stream tokens: the same for all replicas; without it each process "
        "makes its own, and sessions end with it",
    )
    live_proxy_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$",
        description="header in which a proxy names who is signed in, such as X-Forwarded-User",
    )
    live_proxy_peers: str | None = Field(
        None, description="addresses and networks of that proxy, with commas; from others it is no name"
    )
    live_cors_origins: str | None = Field(
        None, description="origins of other sites whose pages may ask with a token, with commas; none without"
    )
    live_keep_s: float = Field(
        120.0, ge=1, le=3600, description="seconds of events kept in memory, for clients that come back"
    )
    live_ring_bytes: int = Field(
        4 * 1024 * 1024, ge=64 * 1024, description="the same in bytes, of one camera"
    )
    live_read_back_events: int = Field(
        200_000,
        ge=0,
        description="emotion events of the last hour that are read at the start, for the timeline; 0: none",
    )
    live_client_events_per_s: int = Field(2_000, ge=10, description="what one stream is sent, at most")
    live_clients_max: int = Field(200, ge=1, description="open streams of one process")
    live_frames: bool = Field(
        False, description="`mien live` shows the cameras' pictures too, with faces hidden: docs/live.md"
    )
    live_frames_hide: Literal["faces", "everything"] = Field(
        "faces", description="of these pictures: the faces that were found, or all of each picture"
    )
    live_reveal_role: Literal["reviewer", "admin", "nobody"] = Field(
        "admin", description="from which role on one may see faces in them; each look is logged"
    )

    # Running
    metrics_host: str = Field(
        "127.0.0.1",
        description="address that /metrics listens on; 0.0.0.0: others may read it, without a password",
    )
    metrics_port: int = Field(9100, ge=0, le=65535, description="0 takes a free port")
    startup_timeout_s: float = Field(
        30.0, ge=0, description="how long a stage waits for Kafka and Redis at start"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe logs to show"
    )
    log_format: Literal["console", "json"] = Field("console", description="json: one object a line")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic's interface
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @field_validator("live_proxy_peers")
    @classmethod
    def _peers_are_networks(cls, peers: str | None) -> str | None:
        for number, peer in enumerate(peers.split(",") if peers is not None else (), start=1):
            try:
                ipaddress.ip_network(peer.strip())
            except ValueError as exc:
                raise ValueError(f"peer {number} is no address or network, like 10.0.0.0/8: {exc}") from exc
        return peers

    @field_validator("kafka_bootstrap_servers", "redis_sentinels")
    @classmethod
    def _servers_have_ports(cls, servers: str | None) -> str | None:
        for number, server in enumerate(servers.split(",") if servers is not None else (), start=1):
            address = _SERVER.fullmatch(server.strip())
            if not address or not 1 <= int(address["port"]) <= 65535:
                # Not the text: whoever takes it for a URL writes a password into it.
                raise ValueError(f"server {number} is not host:port")
        return servers

    @model_validator(mode="after")
    def _credentials_are_whole(self) -> Self:
        sasl = self.kafka_security_protocol.startswith("SASL")
        if sasl and not (self.kafka_sasl_username and self.kafka_sasl_password):
            raise ValueError(
                f"MIEN_KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs "
                "MIEN_KAFKA_SASL_USERNAME and MIEN_KAFKA_SASL_PASSWORD"
            )
        if not sasl and (self.kafka_sasl_username or self.kafka_sasl_password):
            # Sent in plaintext, or not at all: either way not what was meant.
            raise ValueError(
                "SASL credentials are set, but MIEN_KAFKA_SECURITY_PROTOCOL is "
                f"{self.kafka_security_protocol}; set it to SASL_SSL (or SASL_PLAINTEXT on a trusted network)"
            )
        if (self.kafka_ssl_cert_file is None) != (self.kafka_ssl_key_file is None):
            raise ValueError("MIEN_KAFKA_SSL_CERT_FILE and MIEN_KAFKA_SSL_KEY_FILE go together")
        if self.kafka_ssl_key_password and not self.kafka_ssl_key_file:
            raise ValueError("MIEN_KAFKA_SSL_KEY_PASSWORD is set, but not MIEN_KAFKA_SSL_KEY_FILE")
        tls_files = self.kafka_ssl_ca_file or self.kafka_ssl_cert_file
        if tls_files and self.kafka_security_protocol not in ("SSL", "SASL_SSL"):
            raise ValueError(
                "TLS files are set (MIEN_KAFKA_SSL_…), but MIEN_KAFKA_SECURITY_PROTOCOL is "
                f"{self.kafka_security_protocol}; set it to SSL or SASL_SSL"
            )
        return self

    @model_validator(mode="after")
    def _whoever_looks_is_known(self) -> Self:
        if self.live_access_file is None and not is_loopback(self.live_host):
            raise ValueError(
                "MIEN_LIVE_HOST leads beyond this machine, and without MIEN_LIVE_ACCESS_FILE anybody could "
                "see the faces: docs/live.md says what stands in it"
            )
        if (self.live_proxy_header is None) != (self.live_proxy_peers is None):
            raise ValueError("MIEN_LIVE_PROXY_HEADER and MIEN_LIVE_PROXY_PEERS go together")
        if self.live_proxy_header and self.live_access_file is None:
            raise ValueError(
                "MIEN_LIVE_PROXY_HEADER needs MIEN_LIVE_ACCESS_FILE, which says who may see what"
            )
        if self.live_frames and self.frames == "none":
            raise ValueError(
                "MIEN_LIVE_FRAMES shows pictures, and MIEN_FRAMES=none lets none leave a camera: "
                "set only one of them"
            )
        return self

    @model_validator(mode="after")
    def _nothing_is_readable_on_the_way(self) -> Self:
        if self.allow_plaintext:
            return self
        how = "use TLS, or set MIEN_ALLOW_PLAINTEXT=true where nobody else can listen"
        hosts = [server.strip().rpartition(":")[0] for server in self.kafka_bootstrap_servers.split(",")]
        if self.kafka_security_protocol.endswith("PLAINTEXT") and not all(map(is_loopback, hosts)):
            raise ValueError(
                "MIEN_KAFKA_BOOTSTRAP_SERVERS leads beyond this machine, and "
                f"MIEN_KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} hides nothing from those on "
                f"the way: {how}"
            )
        collector = parse_url(self.otlp_endpoint)
        if self.tracing == "otlp" and not (
            collector and (collector.scheme == "https" or is_loopback(collector.host))
        ):
            raise ValueError(
                "MIEN_OTLP_ENDPOINT leads beyond this machine without TLS, or is no address: spans name "
                f"cameras: {how}"
            )
        if self.redis_sentinels is not None:  # who leads to the primary, by connections without TLS
            sentinels = [server.strip().rpartition(":")[0] for server in self.redis_sentinels.split(",")]
            if not all(map(is_loopback, sentinels)):
                raise ValueError(
                    "MIEN_REDIS_SENTINELS leads beyond this machine, and Sentinels are asked without TLS: "
                    "set MIEN_ALLOW_PLAINTEXT=true where nobody else can listen"
                )
            return self
        redis = parse_url(self.redis_url)  # one that is none is refused where it is used
        if redis and redis.scheme == "redis" and not redis.is_local:
            raise ValueError(
                "MIEN_REDIS_URL leads beyond this machine by redis://, which hides nothing from those on the "
                f"way: {how} (rediss:// is Redis by TLS)"
            )
        return self

    @cached_property
    def topics(self) -> Topics:
        return Topics.of(
            self.topic_prefix,
            partitions=self.topic_partitions,
            frames_retention_ms=self.frames_retention_ms,
            events_retention_ms=self.events_retention_ms,
            verdicts_retention_ms=self.verdicts_retention_ms,
            dead_letters_retention_ms=self.dead_letters_retention_ms,
            max_frame_bytes=self.max_frame_bytes,
            replication=self.topic_replication,
        )

    def group(self, stage: str) -> str:
        """The consumer group of a stage; Faust's app has its name."""
        return f"{self.topic_prefix}-{stage}"


class _SecretFiles(PydanticBaseSettingsSource):
    """Each secret from the file that ``MIEN_…_FILE`` names, where that is set."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name, file_name = environment_name(field_name), file_variable(field_name)
        path = os.environ.get(file_name)
        if not path or not _is_secret(field):
            return None, field_name, False
        if os.environ.get(name):
            raise SettingsInvalid(f"{name} and {file_name} are both set: which one is meant? Unset the other")
        return read_secret(path, file_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields.items()
        values = {name: self.get_field_value(field, name)[0] for name, field in fields}
        return {name: value for name, value in values.items() if value is not None}


def environment_name(field: str) -> str:
    """``topic_prefix`` → ``MIEN_TOPIC_PREFIX``."""
    return f"MIEN_{field.upper()}"


def file_variable(field: str) -> str:
    """``redis_url`` → ``MIEN_REDIS_URL_FILE``, which names a file with the secret."""
    return f"{environment_name(field)}_FILE"


def secrets() -> list[str]:
    """The settings that are or may hold a secret: shown nowhere, and taken from files too."""
    return [name for name, field in Settings.model_fields.items() if _is_secret(field)]


def _is_secret(field: FieldInfo) -> bool:
    return not field.repr or SecretStr in get_args(field.annotation)


def load(**changes: Any) -> Settings:
    """The settings of this process; ``changes`` instead of what the environment says.

    Raises:
        SettingsInvalid: naming each variable that cannot be used, and why.
    """
    try:
        return Settings(**changes)
    except ValidationError as exc:
        problems = "; ".join(
            (f"{environment_name(str(e['loc'][0]))}: " if e["loc"] else "")
            + e["msg"].removeprefix("Value error, ")
            for e in exc.errors()
        )
        raise SettingsInvalid(f"Settings in the environment cannot be used: {problems}") from exc


class InForce(msgspec.Struct, frozen=True):
    """A setting as it is now. A default or value that is not set is None."""

    variable: str
    value: str | None
    source: Literal["default", "environment", "file"]
    default: str | None
    meaning: str


def in_force(settings: Settings) -> list[InForce]:
    """Every setting with its value and where that comes from; secrets are hidden, in addresses too."""
    return [
        InForce(
            environment_name(name),
            _shown(getattr(settings, name), field),
            _source(settings, name),
            _shown(field.default, field),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def _source(settings: Settings, name: str) -> Literal["default", "environment", "file"]:
    if name not in settings.model_fields_set:
        return "default"
    return "file" if name in secrets() and os.environ.get(file_variable(name)) else "environment"


def _shown(value: object, field: FieldInfo) -> str | None:
    if value is None:
        return None
    text = printable(value.get_secret_value() if isinstance(value, SecretStr) else str(value))
    if not _is_secret(field):
        return text
    return redact_url(text) if "://" in text else "***"  # no address: nobody can say where a password is


def unknown_variables() -> list[str]:
    """MIEN_… variables that name no setting, perhaps misspelt. Kubernetes adds some for its services."""
    known = {environment_name(name) for name in Settings.model_fields} | set(map(file_variable, secrets()))
    return sorted(name for name in os.environ if name.startswith("MIEN_") and name not in known)


def is_set(name: str) -> bool:
    """Whether the user chose the setting, rather than its default (the demo then starts no own server)."""
    variables = [environment_name(name)] + ([file_variable(name)] if name in secrets() else [])
    return any(os.environ.get(variable) for variable in variables)


def secret_variable(name: str, named_by: str) -> str:
    """What a variable holds that a file of ours names, where a secret must not stand in the file itself.

    Raises:
        SettingsInvalid: if it is not set. ``named_by`` is what names it.
    """
    value = os.environ.get(name)
    if not value:
        raise SettingsInvalid(f"{named_by} names the variable {name}, which is not set")
    return value


def child_environment(**changes: str | int | float) -> dict[str, str]:
    """This process's environment for a child stage, with some settings changed (by lower-case name)."""
    changed = {environment_name(name): str(value) for name, value in changes.items()}
    of_files = {file_variable(name) for name in changes if name in secrets()}  # of what they held before
    return {name: value for name, value in os.environ.items() if name not in of_files} | changed
