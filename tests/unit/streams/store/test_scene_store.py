"""What a camera usually sees, in a real Redis."""

import redis

from streams.settings import Settings
from streams.store import forgetting
from streams.store.scene_store import TTL_S, SceneStore, scene_key


async def test_it_comes_back_and_ends_and_is_forgotten_with_its_camera(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        async with SceneStore.connect(settings) as store:
            assert await store.read("lobby") is None
            await store.write("lobby", b"seen")
            assert await store.read("lobby") == b"seen"
            assert 0 < client.ttl(scene_key("lobby")) <= TTL_S
            client.lpush(scene_key("hall"), "foreign")
            assert await store.read("hall") is None
        async with forgetting.connect(settings) as erasing:
            assert await erasing.forget_tracks("lobby")
        assert not client.exists(scene_key("lobby"))
