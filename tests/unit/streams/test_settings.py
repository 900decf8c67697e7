"""Settings from the environment: what is refused, with which words, and what the defaults promise."""

from pathlib import Path

import pytest

from streams import settings
from streams.errors import SettingsInvalid
from streams.settings import Settings

SASL = {
    "MIEN_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "MIEN_KAFKA_SASL_USERNAME": "ann",
    "MIEN_KAFKA_SASL_PASSWORD": "hunter2",
}


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MIEN_KAFKA_BOOTSTRAP_SERVERS", "localhost"),
        ("MIEN_KAFKA_BOOTSTRAP_SERVERS", "localhost:abc"),
        ("MIEN_KAFKA_BOOTSTRAP_SERVERS", "a:9092,"),
        ("MIEN_KAFKA_BOOTSTRAP_SERVERS", "localhost:99999"),
        ("MIEN_REDIS_SENTINELS", "localhost"),
        ("MIEN_WINDOW_S", "inf"),
        ("MIEN_KAFKA_SECURITY_PROTOCOL", "TLS"),
        ("MIEN_KAFKA_SASL_MECHANISM", "GSSAPI"),
        ("MIEN_KAFKA_FETCH_MAX_WAIT_MS", "0"),
        ("MIEN_KAFKA_SESSION_TIMEOUT_S", "0.5"),
        ("MIEN_TOPIC_PREFIX", "mien topics"),
        ("MIEN_TOPIC_PARTITIONS", "0"),
        ("MIEN_TOPIC_PARTITIONS", "many"),
        ("MIEN_FRAMES_RETENTION_MS", "10"),
        ("MIEN_MAX_FRAME_AGE_MS", "0"),
        ("MIEN_MAX_FRAME_BYTES", "1"),
        ("MIEN_MIN_CONFIDENCE", "1.5"),
        ("MIEN_MIN_CONFIDENCE", "high"),
        ("MIEN_WINDOW_S", "0"),
        ("MIEN_SMOOTHING_S", "-1"),
        ("MIEN_SUBJECT_TTL_S", "0"),
        ("MIEN_METRICS_PORT", "65536"),
        ("MIEN_METRICS_PORT", "-1"),
        ("MIEN_LOG_LEVEL", "loud"),
        ("MIEN_LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(SettingsInvalid, match=name):
        load(monkeypatch, **{name: value})


def test_all_wrong_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsInvalid, match=r"(?s)MIEN_TOPIC_PARTITIONS.*MIEN_LOG_LEVEL"):
        load(monkeypatch, MIEN_TOPIC_PARTITIONS="0", MIEN_LOG_LEVEL="loud")


@pytest.mark.parametrize(
    "environment",
    [
        {"MIEN_KAFKA_BOOTSTRAP_SERVERS": "localhost:9092,kafka:9092"},
        {
            "MIEN_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
            **SASL,
            "MIEN_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        },
        {"MIEN_REDIS_URL": "redis://:hunter2@redis:6379/0"},
        {"MIEN_REDIS_URL": "redis:///0?host=redis"},
        {"MIEN_REDIS_SENTINELS": "127.0.0.1:26379,sentinel:26379", "MIEN_REDIS_URL": "rediss://redis/0"},
    ],
)
def test_plaintext_beyond_this_machine_must_be_meant(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    with pytest.raises(SettingsInvalid, match="MIEN_ALLOW_PLAINTEXT=true") as told:
        load(monkeypatch, **environment)
    assert "hunter2" not in str(told.value)
    assert load(monkeypatch, **environment, MIEN_ALLOW_PLAINTEXT="true").allow_plaintext


@pytest.mark.parametrize(
    "environment",
    [
        {"MIEN_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092,[::1]:9092,localhost:9092"},
        {"MIEN_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", **SASL},
        {"MIEN_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "MIEN_KAFKA_SECURITY_PROTOCOL": "SSL"},
        {"MIEN_REDIS_URL": "rediss://redis:6379/0"},
        {"MIEN_REDIS_URL": "unix:///run/redis.sock"},
        {"MIEN_REDIS_SENTINELS": "127.0.0.1:26379,[::1]:26379", "MIEN_REDIS_URL": "redis://redis/0"},
    ],
)
def test_tls_and_this_machine_need_no_permission(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    assert not load(monkeypatch, **environment).allow_plaintext


SECRETS = {
    "MIEN_KAFKA_SASL_PASSWORD": "hunter2",
    "MIEN_KAFKA_SSL_KEY_PASSWORD": "hunter2",
    "MIEN_REDIS_URL": "rediss://:hunter2@redis.local/0",
    "MIEN_REDIS_SENTINEL_PASSWORD": "hunter2",
    "MIEN_CAMERA_SOURCE": "rtsp://admin:hunter2@cam.local/ch1",
    "MIEN_LIVE_SECRET": "hunter2-hunter2-hunter2",
}
WITH_SECRETS = SASL | {"MIEN_KAFKA_SSL_CERT_FILE": "/c.pem", "MIEN_KAFKA_SSL_KEY_FILE": "/k.pem"} | SECRETS


def test_every_secret_is_known_as_one() -> None:
    assert {settings.environment_name(name) for name in settings.secrets()} == SECRETS.keys()


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_comes_from_a_file_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    expected = load(monkeypatch, **WITH_SECRETS)
    file = tmp_path / "secret"
    file.write_text(SECRETS[variable] + "\n")
    monkeypatch.delenv(variable)
    loaded = load(monkeypatch, **{f"{variable}_FILE": str(file)})

    assert loaded == expected
    assert settings.is_set(variable.removeprefix("MIEN_").lower())
    assert settings.unknown_variables() == []
    (row,) = [row for row in settings.in_force(loaded) if row.variable == variable]
    assert row.source == "file"
    assert "hunter2" not in str(row)


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_that_is_set_twice_or_whose_file_is_missing_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with pytest.raises(SettingsInvalid, match=f"{variable} and {variable}_FILE are both set") as twice:
        load(monkeypatch, **WITH_SECRETS, **{f"{variable}_FILE": "/hunter2"})
    monkeypatch.delenv(variable)
    with pytest.raises(SettingsInvalid, match=f"{variable}_FILE names a file that does not exist") as missing:
        settings.load()
    assert "hunter2" not in str(twice.value) + str(missing.value)


def test_a_child_with_a_secret_of_its_own_does_not_get_the_file_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIEN_CAMERA_SOURCE_FILE", "/run/secrets/lobby")
    monkeypatch.setenv("MIEN_REDIS_URL_FILE", "/run/secrets/redis")
    child = settings.child_environment(camera_source="demo:cycle")

    assert child["MIEN_CAMERA_SOURCE"] == "demo:cycle"
    assert "MIEN_CAMERA_SOURCE_FILE" not in child
    assert child["MIEN_REDIS_URL_FILE"] == "/run/secrets/redis"


@pytest.mark.parametrize("missing", ["MIEN_KAFKA_SASL_USERNAME", "MIEN_KAFKA_SASL_PASSWORD"])
@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_sasl_needs_both_credentials(monkeypatch: pytest.MonkeyPatch, missing: str, protocol: str) -> None:
    environment = SASL | {"MIEN_KAFKA_SECURITY_PROTOCOL": protocol}
    del environment[missing]

    with pytest.raises(SettingsInvalid, match=missing):
        load(monkeypatch, **environment)


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
@pytest.mark.parametrize("name", ["MIEN_KAFKA_SASL_USERNAME", "MIEN_KAFKA_SASL_PASSWORD"])
def test_credentials_that_would_not_be_used_are_refused(
    monkeypatch: pytest.MonkeyPatch, protocol: str, name: str
) -> None:
    with pytest.raises(SettingsInvalid, match="MIEN_KAFKA_SECURITY_PROTOCOL") as refused:
        load(monkeypatch, **{name: "hunter2", "MIEN_KAFKA_SECURITY_PROTOCOL": protocol})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("given", ["CERT", "KEY"])
def test_certificate_and_key_go_together(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    environment = {"MIEN_KAFKA_SECURITY_PROTOCOL": "SSL", f"MIEN_KAFKA_SSL_{given}_FILE": "/some.pem"}

    with pytest.raises(SettingsInvalid, match=r"MIEN_KAFKA_SSL_CERT_FILE and MIEN_KAFKA_SSL_KEY_FILE"):
        load(monkeypatch, **environment)


def test_tls_files_with_a_plaintext_protocol_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsInvalid, match="MIEN_KAFKA_SECURITY_PROTOCOL is PLAINTEXT"):
        load(monkeypatch, MIEN_KAFKA_SSL_CA_FILE="/ca.pem")


def test_whole_credentials_are_taken_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(monkeypatch, **SASL)

    assert loaded.kafka_sasl_password is not None
    assert loaded.kafka_sasl_password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(loaded)
    assert "hunter2" not in str(loaded)


def test_defaults_are_a_laptop_that_forgets_pictures_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(monkeypatch)

    assert loaded.kafka_bootstrap_servers == "localhost:9092"
    assert loaded.kafka_security_protocol == "PLAINTEXT"
    assert loaded.redis_url == "redis://localhost:6379/0"
    assert loaded.topic_prefix == "mien"
    assert loaded.frames_retention_ms == 60_000
    assert loaded.max_frame_age_ms < loaded.frames_retention_ms
    assert loaded.window_s == 60
    assert loaded.subject_ttl_s > loaded.window_s
    assert loaded.model_path is None
    assert loaded.operating_point == "accurate"
    assert loaded.min_confidence is None


def test_the_environment_reaches_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(
        monkeypatch,
        MIEN_KAFKA_BOOTSTRAP_SERVERS="a.example:9092, [::1]:9093",
        MIEN_ALLOW_PLAINTEXT="true",
        MIEN_TOPIC_PREFIX="test",
        MIEN_TOPIC_PARTITIONS="3",
    )

    assert loaded.kafka_bootstrap_servers == "a.example:9092, [::1]:9093"
    assert loaded.topics.frames.name == "test.frames"
    assert loaded.topics.frames.partitions == 3
    assert loaded.group("classify") == "test-classify"


def test_a_default_that_was_chosen_counts_as_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not settings.is_set("redis_url")
    monkeypatch.setenv("MIEN_REDIS_URL", Settings().redis_url)
    assert settings.is_set("redis_url")


def test_a_child_gets_our_environment_with_the_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_TOPIC_PREFIX", "ours")
    monkeypatch.setenv("MIEN_METRICS_PORT", "1")
    child = settings.child_environment(metrics_port=9105)

    assert child["MIEN_TOPIC_PREFIX"] == "ours"
    assert child["MIEN_METRICS_PORT"] == "9105"
    assert "PATH" in child


def test_settings_cannot_change_while_a_stage_runs() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().topic_prefix = "other"


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_MIN_CONFIDENCE", "")
    monkeypatch.setenv("MIEN_TOPIC_PREFIX", "")

    loaded = settings.load()

    assert loaded.min_confidence is None
    assert loaded.topic_prefix == "mien"


def test_variables_that_name_no_setting_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_FRAMES_RETENTION", "60000")
    monkeypatch.setenv("MIEN_FRAMES_RETENTION_MS", "60000")

    assert settings.unknown_variables() == ["MIEN_FRAMES_RETENTION"]


def test_in_force_has_every_setting_with_its_meaning_and_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIEN_TOPIC_PREFIX", "trial")
    monkeypatch.setenv("MIEN_TOPIC_PARTITIONS", "")  # empty is not set
    rows = {row.variable: row for row in settings.in_force(Settings())}

    assert len(rows) == len(Settings.model_fields)
    assert not [row.variable for row in rows.values() if not row.meaning]
    prefix, partitions = rows["MIEN_TOPIC_PREFIX"], rows["MIEN_TOPIC_PARTITIONS"]
    assert (prefix.value, prefix.source, prefix.default) == ("trial", "environment", "mien")
    assert (partitions.value, partitions.source) == (partitions.default, "default")
    assert rows["MIEN_KAFKA_SASL_PASSWORD"].default is None


def test_in_force_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("MIEN_KAFKA_SASL_USERNAME", "me")
    monkeypatch.setenv("MIEN_KAFKA_SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("MIEN_REDIS_URL", "redis://:hunt/er@2@redis.local:6379/0?password=hunter2")
    rows = settings.in_force(Settings())

    assert "hunt" not in str(rows)
    assert next(row for row in rows if row.variable == "MIEN_REDIS_URL").value == "redis://…"


def test_in_force_shows_where_a_camera_is_but_not_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_CAMERA_SOURCE", "rtsp://admin:hunter2@cam.local/ch1?pwd=hunter2")
    rows = {row.variable: row for row in settings.in_force(Settings())}

    assert rows["MIEN_CAMERA_SOURCE"].value == "rtsp://cam.local/ch1…"


@pytest.mark.parametrize(
    "url",
    [":hunter2@redis.local:6379", "me:hunter2@redis.local", "redis:/:hunter2@redis.local", "hunter2@redis"],
)
def test_in_force_shows_no_secret_of_a_mistyped_address(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MIEN_REDIS_URL", url)

    assert "hunter2" not in str(settings.in_force(Settings()))


def test_an_error_shows_no_credentials_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_KAFKA_BOOTSTRAP_SERVERS", "me:hunter2@kafka:9092x")

    # pydantic's "Value error" says nothing to a user
    match = "MIEN_KAFKA_BOOTSTRAP_SERVERS: server 1 is not host:port"
    with pytest.raises(SettingsInvalid, match=match) as told:
        settings.load()
    assert "hunter2" not in str(told.value)
