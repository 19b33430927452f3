"""Shop that acknowledges every notification without verification, and counts the orders.

Prints its port; for each line on stdin, the number of different order numbers that begin with
it.
"""

from __future__ import annotations

import asyncio
import re
import sys

_NUMBER = re.compile(rb"(?:^|&)out_trade_no=([^&]*)")
_SUCCESS = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nsuccess"
_heard: set[str] = set()


async def _hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            number = _NUMBER.search(await reader.readexactly(length))
            if number is not None:
                _heard.add(number[1].decode("ascii"))
            writer.write(_SUCCESS)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_hear, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(sum(number.startswith(line.strip()) for number in _heard), flush=True)


if __name__ == "__main__":
    asyncio.run(_main())
