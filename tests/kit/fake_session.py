"""One control connection of a fake node, and its data connections: what a client says, and what the node does then."""

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

from blake3 import blake3

from cluster.clock import now_s
from cluster.proxy_header import FIXED_BYTES, body_length_bytes, decode
from cluster.session_token import looks_like_token, token_is_good
from tests.kit.listener import Listener

if TYPE_CHECKING:
    from tests.kit.fake_node import FakeNode


class FakeSession:
    def __init__(self, node: "FakeNode", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.node = node
        self.reader = reader
        self.writer = writer
        self.is_clients = False  # or a probe's, which no fault is meant for
        self.account = ""
        self.folder = "/"
        self.rest = 0
        self.rename_from = ""
        self.type = "A"
        self.passive: Listener | None = None
        self.data: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] | None = None
        self.writers = [writer]  # with those of all data connections
        self.is_over = False

    async def run(self) -> None:
        fixed = await self.reader.readexactly(FIXED_BYTES)
        header = decode(fixed + await self.reader.readexactly(body_length_bytes(fixed)))
        self.is_clients = bool(header.session)
        if self.is_clients:
            self.node.headers.append(header)
        await self.hangs_if_frozen()
        if await self.fails("greeting"):
            return
        self.say("220 fake")
        while line := (await self.reader.readline()).decode("utf-8", "surrogateescape"):
            await self.hangs_if_frozen()
            verb, _, argument = line.rstrip("\r\n").partition(" ")
            if self.is_clients:
                self.node.commands.append(line.rstrip("\r\n") if not looks_like_token(argument) else "PASS token")
            if verb not in {"RETR", "STOR", "APPE", "LIST", "MLSD"} and await self.fails(verb):
                continue
            if verb == "QUIT":
                self.say("221 bye")
                return
            await getattr(self, f"do_{verb.lower()}", self.do_unknown)(argument)
            await self.writer.drain()

    async def fails(self, moment: str) -> bool:
        if self.node.fault != moment or not self.is_clients:
            return False
        for node in (self.node, *self.node.others):
            node.fault = ""
        if self.node.fault_kind == "die":
            self.node.die()
            raise ConnectionResetError
        if self.node.fault_kind == "lose":
            self.reset()
            raise ConnectionResetError
        if self.node.fault_kind in {"freeze", "vanish"}:
            getattr(self.node, self.node.fault_kind)()
            await self.hangs_if_frozen()
        if self.node.fault_kind == "hang":
            await asyncio.Event().wait()
        self.say(self.node.fault_kind)
        return True

    async def hangs_if_frozen(self) -> None:
        if self.node.frozen:
            await asyncio.Event().wait()

    def say(self, line: str) -> None:
        self.writer.write(line.encode("utf-8", "surrogateescape") + b"\r\n")

    def path(self, argument: str) -> str:
        path = argument if argument.startswith("/") else f"{self.folder.rstrip('/')}/{argument}"
        return path if path == "/" else path.rstrip("/")

    def reset(self) -> None:
        for writer in self.writers:
            reset(writer)
        self.close_passive()

    def close(self) -> None:
        self.is_over = True
        self.close_passive()
        for writer in self.writers:
            writer.close()

    def close_passive(self) -> None:
        if self.passive is not None:
            self.passive.close()
            self.passive = None

    async def do_unknown(self, _argument: str) -> None:
        self.say("500 unknown")

    async def do_user(self, argument: str) -> None:
        self.account = argument
        self.say("331 password")

    async def do_pass(self, argument: str) -> None:
        if looks_like_token(argument):
            good = token_is_good(self.node.key, argument, self.node.site, self.account, now_s())
        else:
            good = self.account in self.node.accounts and argument == self.node.password
            self.node.logins += 1
        self.say("230 in" if good else "530 no")

    async def do_type(self, argument: str) -> None:
        self.type = argument
        self.say("200 type")

    async def do_feat(self, _argument: str) -> None:
        self.say("\r\n ".join(("211-Features:", *self.node.features)) + "\r\n211 End")

    async def do_noop(self, _argument: str) -> None:
        self.say("200 ok")

    async def do_cwd(self, argument: str) -> None:
        path = self.path(argument)
        if path in self.node.tree.folders:
            self.folder = path
            self.say("250 there")
        else:
            self.say("550 no such folder")

    async def do_pwd(self, _argument: str) -> None:
        self.say(f'257 "{self.folder}" is it')

    async def do_rest(self, argument: str) -> None:
        self.rest = int(argument)
        self.say("350 rest")

    async def do_size(self, argument: str) -> None:
        content = self.node.tree.files.get(self.path(argument))
        self.say("550 none" if content is None else f"213 {len(content)}")

    async def do_mlst(self, argument: str) -> None:
        facts = self.node.tree.mlst(self.path(argument))
        if facts is None:
            self.say("550 none")
        else:
            self.say(f"250-Listing\r\n {facts} {argument}\r\n250 End")

    async def do_hash(self, argument: str) -> None:
        """Reads until the test says that the file is at its end."""
        await self.node.has_read.wait()
        self.say(f"213 SHA-256 0-1 00 {argument}")

    async def do_site(self, argument: str) -> None:
        if argument.startswith("CANARY "):
            self.carry_canary(argument.split(" "))
            return
        content = self.node.tree.files.get(self.path(argument.removeprefix("COPIES ")))
        if content is None:
            self.say("550 none")
        else:
            self.say(f"213 At least 2 of 2 nodes hold BLAKE3 {blake3(content).hexdigest()}.")

    def carry_canary(self, words: list[str]) -> None:
        node, canaries = self.node, self.node.tree.canaries
        if self.is_clients or not node.knows_canaries:
            self.say("504 unknown")
        elif words[1] == "PUT":
            content_id = blake3(f"{node.name} {len(canaries)}".encode()).hexdigest()
            canaries[content_id] = node.name
            self.say(f"250 {content_id} is on its way")
        else:
            self.say("550 not here" if canaries[words[2]] in node.unheard else "250 here")

    async def do_mkd(self, argument: str) -> None:
        path = self.path(argument)
        if path in self.node.tree.folders:
            self.say("550 exists")
            return
        self.node.tree.folders.add(path)
        if await self.fails("MKD done"):
            return
        self.say(f'257 "{path}" made')

    async def do_dele(self, argument: str) -> None:
        if self.node.tree.files.pop(self.path(argument), None) is None:
            self.say("550 none")
            return
        if await self.fails("DELE done"):
            return
        self.say("250 deleted")

    async def do_rnfr(self, argument: str) -> None:
        self.rename_from = self.path(argument)
        self.say("350 to?" if self.rename_from in self.node.tree.files else "550 none")

    async def do_rnto(self, argument: str) -> None:
        if not self.rename_from:
            self.say("503 RNFR first")
            return
        self.node.tree.files[self.path(argument)] = self.node.tree.files.pop(self.rename_from)
        if await self.fails("RNTO done"):
            return
        self.say("250 renamed")

    async def do_epsv(self, _argument: str) -> None:
        self.close_passive()
        self.data = asyncio.get_running_loop().create_future()
        data = self.data

        async def arrived(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.is_over:  # it was being accepted when the session ended
                reset(writer)
                return
            self.writers.append(writer)
            data.set_result((reader, writer))

        self.passive = Listener(self.node.address, 0, arrived)
        self.say(f"229 Extended (|||{self.passive.address[1]}|)")

    async def do_retr(self, argument: str) -> None:
        content = self.node.tree.files.get(self.path(argument))
        if content is None:
            self.say("550 none")
            return
        content, self.rest = content[self.rest :], 0
        await self.send("RETR", content)

    async def do_list(self, _argument: str) -> None:
        names = sorted(self.node.tree.files)
        await self.send("LIST", "".join(f"-rw-r--r-- 1 a a 1 Jan  1 00:00 {name}\r\n" for name in names).encode())

    async def do_mlsd(self, _argument: str) -> None:
        lines = (f"{self.node.tree.mlst(name)} {name.lstrip('/')}\r\n" for name in sorted(self.node.tree.files))
        await self.send("MLSD", "".join(lines).encode())

    async def send(self, verb: str, content: bytes) -> None:
        if await self.fails(f"{verb} before 150"):
            return
        assert self.data is not None
        _, writer = await self.data
        self.say("150 here it comes")
        await self.writer.drain()
        if await self.fails(f"{verb} after 150"):
            return
        half = len(content) // 2
        writer.write(content[:half])
        await writer.drain()
        if self.node.fault == f"{verb} half":
            await asyncio.sleep(0.05)  # let the half arrive: the moment is part of the fault
            if await self.fails(f"{verb} half"):
                reset(writer)
                return
        writer.write(content[half:])
        await writer.drain()
        writer.close()
        if await self.fails(f"{verb} before 226"):
            return
        self.say("226 sent by " + self.node.name)

    async def do_stor(self, argument: str) -> None:
        await self.receive("STOR", argument)

    async def do_appe(self, argument: str) -> None:
        await self.receive("APPE", argument)

    async def receive(self, verb: str, argument: str) -> None:
        if await self.fails(f"{verb} before 150"):
            return
        assert self.data is not None
        reader, writer = await self.data
        self.say("150 send it")
        await self.writer.drain()
        path = self.path(argument)
        old = self.node.tree.files.get(path, b"")
        content = bytearray(old if verb == "APPE" else old[: self.rest])
        self.rest = 0
        try:
            while data := await reader.read(1 << 16):
                await self.hangs_if_frozen()
                content += data
                if await self.fails(f"{verb} half"):
                    reset(writer)
                    return
        except ConnectionResetError:
            self.node.endings.append("cut")
            self.say("426 cut")
            return
        finally:
            writer.close()
        self.node.endings.append("finished")
        if await self.fails(f"{verb} before publish"):
            return
        self.node.tree.files[path] = bytes(content)
        if await self.fails(f"{verb} before 226"):
            return
        self.say("226 stored by " + self.node.name)


def reset(writer: asyncio.StreamWriter) -> None:
    if (sock := writer.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
