"""Proxies for TCP that can be cut, slowed down and led elsewhere: the network that faults happen in.

A cut is what a lost cable is: connections stay open and nothing passes. What was sent meanwhile passes after
`mend`, as TCP sends it again.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from streams.local.child_process import free_ports

_PIECE_BYTES = 64 * 1024


class TcpProxy:
    """Listens on ``port`` of loopback and leads to ``target_port`` there. Any thread may set it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int, target_port: int) -> None:
        self.port = port
        self.target_port = target_port
        """Of new connections; those that are open stay where they are."""
        self.delay_s = 0.0
        """What each piece takes longer."""
        self._loop = loop
        self._passing = asyncio.Event()
        self._passing.set()
        self._under_way: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Lets nothing pass any more."""
        self._loop.call_soon_threadsafe(self._passing.clear)

    def mend(self) -> None:
        """Lets everything pass again."""
        self._loop.call_soon_threadsafe(self._passing.set)

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        await self._passing.wait()
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.close()
            return
        for task in (self._pass_on(reader, there_writer), self._pass_on(there_reader, writer)):
            pumping = asyncio.ensure_future(task)
            self._under_way.add(pumping)  # the loop itself holds tasks weakly
            pumping.add_done_callback(self._under_way.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(_PIECE_BYTES):
                await self._passing.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass  # the other side has gone
        finally:
            writer.close()


class Network:
    """Where the proxies run. Use `running`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._servers: list[asyncio.Server] = []

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["Network"]:
        """Runs in a thread of its own until the block ends."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="chaos-network", daemon=True)
        thread.start()
        network = cls(loop)
        try:
            yield network
        finally:
            asyncio.run_coroutine_threadsafe(network._close(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def proxy(self, target_port: int) -> TcpProxy:
        """A proxy on a free port."""
        (port,) = free_ports(1)
        proxy = TcpProxy(self._loop, port, target_port)
        serving = asyncio.start_server(proxy.lead, "127.0.0.1", port)
        self._servers.append(asyncio.run_coroutine_threadsafe(serving, self._loop).result(10))
        return proxy

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
