# SPDX-License-Identifier: MIT
"""Where the daemon's control socket is: as the command line finds it."""
from __future__ import annotations

import os
import pathlib
from typing import Mapping, Optional, Union

from .errors import WarrenError

Path = Union[str, "os.PathLike[str]"]
SOCKET = "control.sock"
PATH_MAX = 107  # bytes of a Unix socket's name


def default_data_dir(environment: Mapping[str, str], root: bool) -> str:
    """As src/node/config/config.c."""
    if root:
        return "/var/lib/warren"
    state = environment.get("XDG_STATE_HOME", "")
    if state.startswith("/"):
        return f"{state}/warren"
    home = environment.get("HOME", "")
    if not home:
        raise WarrenError("not_found", "there is no HOME to look for a daemon "
                          "in: give control or data_dir")
    return f"{home}/.local/state/warren"


def control_path(control: Optional[Path] = None,
                 data_dir: Optional[Path] = None,
                 environment: Optional[Mapping[str, str]] = None) -> str:
    """The socket that `control` names, or that is in `data_dir`; without
    either, what WARREN_NODE_CONTROL and WARREN_NODE_DATA_DIR say, and then
    the default directory of this user. A configuration file is not read."""
    env = os.environ if environment is None else environment
    if control is not None and data_dir is not None:
        raise WarrenError("syntax", "control and data_dir name a socket each: "
                          "give one of them")
    if control is not None:
        path = os.fspath(control)
    elif data_dir is not None:
        path = os.path.join(os.fspath(data_dir), SOCKET)
    elif env.get("WARREN_NODE_CONTROL"):
        path = env["WARREN_NODE_CONTROL"]
    elif env.get("WARREN_NODE_DATA_DIR"):
        path = os.path.join(env["WARREN_NODE_DATA_DIR"], SOCKET)
    else:
        path = str(pathlib.PurePath(
            default_data_dir(env, os.geteuid() == 0), SOCKET))
    size = len(os.fsencode(path))
    if not 0 < size <= PATH_MAX:
        raise WarrenError("too_large", f"the path of the control socket has "
                          f"{size} bytes: 1 to {PATH_MAX} are right")
    return path
