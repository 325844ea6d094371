"""Programs of Starlette and FastAPI, as their users write them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, File, HTTPException, UploadFile
from fastapi import WebSocket as FastAPIWebSocket
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    StreamingResponse,
)
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

DONE: list[str] = []
"""What was done behind responses, and at the ends of streams."""

PAGE = """<!doctype html><title>page</title><p id=out></p><script>
const socket = new WebSocket(location.href.replace("http", "ws").replace("page", "echo"));
socket.onopen = () => socket.send("page");
socket.onmessage = (event) => fetch("/?name=" + event.data);
</script>"""


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    """What the program has for its life."""
    DONE.append("up")
    yield {"greeting": "hello"}
    DONE.append("down")


class Timing(BaseHTTPMiddleware):
    """Middleware in the way of Starlette, with tasks of its own."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        """One field more."""
        response = await call_next(request)
        response.headers["x-timing"] = "0"
        return response


async def greet(request: Request) -> PlainTextResponse:
    """The state of the lifespan."""
    DONE.append(f"greeted {request.query_params.get('name', '')}")
    return PlainTextResponse(f"{request.state.greeting}, {request.query_params.get('name', '')}")


async def upload(request: Request) -> JSONResponse:
    """A form with a file, and how long it is."""
    async with request.form() as form:
        file = form["file"]
        assert not isinstance(file, str)
        return JSONResponse({"name": file.filename, "length": len(await file.read())})


async def count(request: Request) -> StreamingResponse:
    """A stream, with what is done behind it."""

    async def numbers() -> AsyncIterator[str]:
        try:
            for number in range(int(request.path_params["count"])):
                yield f"{number}\n"
                await asyncio.sleep(0)
        finally:
            DONE.append("counted")

    return StreamingResponse(numbers(), background=BackgroundTask(DONE.append, "behind"))


async def wrong(request: Request) -> PlainTextResponse:
    """A mistake."""
    raise ValueError("a mistake of the program's")


class Item(HTTPEndpoint):
    """An endpoint with methods."""

    async def get(self, request: Request) -> JSONResponse:
        """One."""
        return JSONResponse({"url": str(request.url_for("item")), "method": "get"})

    def put(self, request: Request) -> PlainTextResponse:
        """One that blocks, in a thread."""
        return PlainTextResponse("put")


async def echo(websocket: WebSocket) -> None:
    """Send back what comes, until it ends."""
    offered = websocket.scope["subprotocols"]
    await websocket.accept(offered[0] if offered else None)
    try:
        async for text in websocket.iter_text():
            await websocket.send_text(text)
    finally:
        DONE.append("websocket ended")


class Json(WebSocketEndpoint):
    """An endpoint with an encoding."""

    encoding = "json"

    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        """One message."""
        await websocket.send_json({"got": data})


async def page(request: Request) -> HTMLResponse:
    """A page that opens a WebSocket."""
    return HTMLResponse(PAGE)


async def itself(request: Request) -> FileResponse:
    """A file."""
    return FileResponse(Path(__file__))


def starlette_program() -> Starlette:
    """A program of Starlette."""
    routes = [
        Route("/", greet),
        Route("/upload", upload, methods=["POST"]),
        Route("/count/{count:int}", count),
        Route("/wrong", wrong),
        Route("/page", page),
        Route("/file", itself),
        Route("/away", lambda request: RedirectResponse("/")),
        Mount("/items", routes=[Route("/one", Item, name="item")]),
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/json", Json),
    ]
    middleware = [Middleware(GZipMiddleware, minimum_size=500), Middleware(Timing)]
    return Starlette(routes=routes, middleware=middleware, lifespan=lifespan)


class Order(BaseModel):
    """What is posted."""

    name: str
    count: int = 1


def fastapi_program() -> FastAPI:
    """A program of FastAPI."""
    app = FastAPI(title="orders")
    orders: dict[int, Order] = {}

    async def user(token: str = "") -> str:
        if not token:
            raise HTTPException(401, "no token")
        return token

    @app.post("/orders", status_code=201)
    async def add(order: Order) -> dict[str, Any]:
        orders[len(orders)] = order
        return {"number": len(orders) - 1, "order": order}

    @app.get("/orders/{number}")
    def find(number: int) -> Order:
        if number not in orders:
            raise HTTPException(404, "there is none")
        return orders[number]

    @app.get("/me")
    async def me(name: str = Depends(user)) -> dict[str, str]:
        return {"name": name}

    @app.post("/files")
    async def files(file: UploadFile = File()) -> dict[str, int]:  # noqa: B008
        return {"length": len(await file.read())}

    @app.websocket("/chat/{room}")
    async def chat(websocket: FastAPIWebSocket, room: str) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text(f"{room}: {await websocket.receive_text()}")
        except WebSocketDisconnect as end:
            DONE.append(f"chat {end.code}")

    return app
