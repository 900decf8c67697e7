"""Addresses of cameras and of Redis with a secret in them, in every form that we know of."""

from hypothesis import strategies as st

WORD = "Zq9"
"""Stands nowhere but in secrets. Letters and digits, as a host's name or a folder may have."""

SECRETS = st.lists(
    st.one_of(st.just(WORD), st.sampled_from([*"@/#?:&=%;+. -_[]\\", "\x1b[2J", "\n", "://"])), max_size=8
).map(lambda parts: "".join([*parts, WORD]))
"""With signs in them that end a part of a URL, at any place."""

FORMS = [
    "rtsp://admin:{}@cam.local:554/ch1",
    "rtsp://{}@cam.local/ch1",
    "rtsp://{}:{}@cam.local/ch1",
    "redis://:{}@redis.local:6379/0",
    "rediss://ann:{}@[::1]:6379/0",
    "redis:/:{}@redis.local",
    "redis:{}@redis.local",
    "rtsp://cam.local/user=admin_password={}_channel=1.sdp",
    "http://cam.local/v.cgi?loginuse=admin&loginpas={}",
    "http://cam.local/v.cgi?psw={}",
    "http://cam.local/v.cgi?pw={}&x=1#{}",
    "http://cam.local/live/{}",
    "admin:{}@cam.local/ch1",
    "cam.local/v.cgi?pwd={}",
    "user=admin_password={}",
    "unix://ann:{}@/run/redis.sock",
    "unix:///run/redis.sock?password={}",
]
