"""
tuspyserver behind FastAPI and uvicorn: served.py PORT DIRECTORY.

Runs in an environment of its own, which the project's tools do not see.
"""

import sys

import uvicorn  # type: ignore[import-not-found]
from fastapi import FastAPI  # type: ignore[import-not-found]
from tuspyserver import create_tus_router  # type: ignore[import-not-found]

if __name__ == "__main__":
    app = FastAPI()
    app.include_router(create_tus_router(prefix="files", files_dir=sys.argv[2]))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
