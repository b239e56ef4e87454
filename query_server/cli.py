"""The ``dowser-server`` command: ``index build``, ``serve``, ``token new``, ``probe``, and the upkeep of the state."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from query_server.cli_maintenance import add_commands
from query_server.cli_scoring import add_commands as add_scoring
from query_server.cli_scoring import add_engine
from query_server.errors import DowserError
from samples.errors import SampleError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status (0 fine, 1 refused, 2 misused, 130 interrupted)."""
    try:
        arguments = _parser().parse_args(argv)
        run: Callable[[argparse.Namespace], int] = arguments.run
        return run(arguments)
    except (DowserError, SampleError, OSError) as error:
        print(f"dowser-server: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(
            f"dowser-server: {error.name} is not installed; install the server with: "
            'pip install "dowser-al[server]", or "dowser-al[gpu]" for a GPU',
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(
            "dowser-server: interrupted; an index build goes on where it was when run again", file=sys.stderr
        )
        return 130


def _serve(arguments: argparse.Namespace) -> int:
    from pydantic import ValidationError

    from query_server.settings import ServeSettings

    given = {
        name: value
        for name, value in vars(arguments).items()
        if name in ServeSettings.model_fields and value is not None
    }
    if arguments.config is not None:
        os.environ["DOWSER_CONFIG"] = str(arguments.config)
    try:
        settings = ServeSettings(**given)
    except ValidationError as error:
        for problem in error.errors():
            flag = "--" + "-".join(str(part) for part in problem["loc"]).replace("_", "-")
            print(f"dowser-server: {flag}: {problem['msg']}", file=sys.stderr)
        return 2
    from query_server.observe.logs import configure_logs

    configure_logs(settings.log_level, settings.log_format, sys.stderr)
    if settings.log_format == "json":
        logging.getLogger(__name__).info("settings", extra={"settings": settings.model_dump(mode="json")})
    else:
        print("settings " + settings.model_dump_json(), file=sys.stderr, flush=True)
    from query_server.bootstrap import serve

    serve(settings)
    return 0


def _index_build(arguments: argparse.Namespace) -> int:
    from query_server.index_building import build

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("faiss").setLevel(logging.WARNING)
    build(
        bundle=arguments.bundle,
        pool=arguments.pool,
        out=arguments.out,
        name=arguments.name or arguments.pool.stem,
        factory=arguments.factory,
        recall_target=arguments.recall_target,
        chunk=arguments.chunk,
        key=arguments.key,
        threads=arguments.threads,
        device=arguments.device,
        overwrite=arguments.overwrite,
        store_samples=arguments.samples and not arguments.encoded,
        link=arguments.link,
        encoded=arguments.encoded,
        memory_budget_bytes=arguments.memory_budget,
        on_ray=arguments.engine == "ray",
        ray_address=arguments.ray_address,
    )
    return 0


def _token_new(arguments: argparse.Namespace) -> int:
    from query_server.rpc.tokens import Role, append_line, new_token

    token, line = new_token(arguments.name, map(Role, arguments.role))
    if arguments.file is not None:
        append_line(arguments.file, line)
        print(token)
        return 0
    print(f"token, shown this once: {token}")
    print(f"line for the file that --tokens names: {line}")
    return 0


def _probe(arguments: argparse.Namespace) -> int:
    from query_server.probe import probe

    probe(
        arguments.address,
        service=arguments.service,
        timeout_seconds=arguments.timeout,
        tls_ca=arguments.tls_ca,
        tls_name=arguments.tls_name,
        tls_certificate=arguments.tls_certificate,
        tls_key=arguments.tls_key,
    )
    print("SERVING")
    return 0


def size(text: str) -> int:
    """Return the bytes a size names, such as 8GiB or 500MB; ValueError where it names none."""
    from pydantic import ByteSize, PositiveInt, TypeAdapter

    return TypeAdapter(PositiveInt).validate_python(TypeAdapter(ByteSize).validate_python(text))


def _parser() -> argparse.ArgumentParser:
    from query_server.settings import ServeSettings

    parser = argparse.ArgumentParser(prog="dowser-server", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    serve = commands.add_parser("serve", help="answer selection requests over gRPC")
    serve.set_defaults(run=_serve)
    serve.add_argument("--config", type=Path, help="a TOML file with the same settings (DOWSER_CONFIG)")
    for name, field in ServeSettings.model_fields.items():
        flag = "--" + name.replace("_", "-")
        default = "" if field.is_required() else f" (default {field.get_default(call_default_factory=True)})"
        text = f"{field.description}{default} [DOWSER_{name.upper()}]"
        if field.annotation is bool:
            serve.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            serve.add_argument(flag, default=None, help=text)

    token = commands.add_parser("token", help="make the bearer tokens that a server asks for")
    token_new = token.add_subparsers(dest="token_command", required=True).add_parser(
        "new", help="print a new token once, and its line for the tokens file, which holds only its sha256"
    )
    token_new.add_argument("--name", required=True, help="names the caller in limits and logs")
    token_new.add_argument(
        "--role",
        required=True,
        action="append",
        choices=("select", "upload", "administer"),
        help="what it allows; repeatable (select: select and label; administer: everything)",
    )
    token_new.add_argument("--file", type=Path, help="add the line to this file and print the token alone")
    token_new.set_defaults(run=_token_new)

    health = commands.add_parser(
        "probe", help="ask a server's health once: exit status 0 if it serves, else 1"
    )
    health.add_argument("--address", default="127.0.0.1:50051", help="host:port (127.0.0.1:50051)")
    health.add_argument("--service", default="", help='"" (default), liveness, readiness or a gRPC service')
    health.add_argument("--timeout", type=float, default=5, help="seconds to wait (5)")
    health.add_argument(
        "--tls-ca", type=Path, help="PEM file to trust; without it the probe speaks plain text"
    )
    health.add_argument("--tls-name", help="the name in the server's certificate, if not the address's")
    health.add_argument("--tls-certificate", type=Path, help="PEM file to show where clients must have one")
    health.add_argument("--tls-key", type=Path, help="PEM file with its key")
    health.set_defaults(run=_probe)

    index = commands.add_parser("index", help="build the index a server serves")
    index_commands = index.add_subparsers(dest="index_command", required=True)
    build = index_commands.add_parser("build", help="stream a pool through the encoder and index it")
    build.set_defaults(run=_index_build)
    build.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    build.add_argument("--pool", type=Path, required=True, help=".npy, .npz, idx file or folder of images")
    build.add_argument("--out", type=Path, required=True, help="the index's folder, made new")
    build.add_argument("--name", help="the pool's name (default: the file's)")
    build.add_argument("--key", help="the array inside an .npz file")
    build.add_argument("--factory", help="a FAISS factory string (default: chosen for the pool's size)")
    build.add_argument("--recall-target", type=float, default=0.95, help="recall@10 to tune to (0.95)")
    build.add_argument(
        "--memory-budget",
        type=size,
        help="what the index file may take, in bytes or as 8GiB; a smaller one holds codes (default: any size)",
    )
    build.add_argument("--chunk", type=int, default=4096, help="samples encoded at a time (4096)")
    build.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads to use")
    build.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to encode; on Ray auto is the CPU, cuda a GPU a chunk",
    )
    add_engine(build)
    build.add_argument("--overwrite", action="store_true", help="replace an index that is there")
    build.add_argument(
        "--samples",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="copy the raw samples into the index (default); without, clients score what the server proposes",
    )
    build.add_argument(
        "--link",
        action="store_true",
        help="hard-link the pool's .npy file into the index instead of copying it; it must not change afterwards",
    )
    build.add_argument(
        "--encoded",
        action="store_true",
        help="the pool's file holds features that this bundle's encoder made elsewhere; implies --no-samples",
    )
    add_commands(commands)
    add_scoring(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
