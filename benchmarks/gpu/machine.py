"""The GPU that is measured on, and what keeps a machine from measuring."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import faiss

from query_server.models.runtime import why_not_cuda
from query_server.pool import detect_flavour
from query_server.pool.gpu_copies import has_cagra


def missing() -> list[str]:
    """Say what keeps a machine from measuring; nothing where it can."""
    lacks = []
    why_not = why_not_cuda()
    if why_not is not None:
        lacks.append(f"ONNX Runtime cannot compute on a CUDA device: {why_not}")
    flavour = detect_flavour()
    if not flavour.gpu_build:
        lacks.append(f"FAISS {flavour.version} is built for CPUs; faiss-gpu-cuvs is the one for GPUs")
    elif not flavour.gpus:
        lacks.append(f"FAISS {flavour.version} finds no GPU")
    elif not has_cagra():
        lacks.append(f"FAISS {flavour.version} has no cuVS, and so no CAGRA; faiss-gpu-cuvs has")
    return lacks


def describe_gpu() -> dict[str, Any]:
    """Return the GPU as its driver names it, and the flavours of both engines."""
    import onnxruntime

    flavour = detect_flavour()
    return {
        "gpu": _nvidia_smi(),
        "faiss": {"version": faiss.__version__, "gpus": flavour.gpus, "cuvs": has_cagra()},
        "onnxruntime": {
            "version": onnxruntime.__version__,
            "providers": onnxruntime.get_available_providers(),
        },
    }


def _nvidia_smi() -> list[str]:
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    done = subprocess.run(
        [command, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else []
