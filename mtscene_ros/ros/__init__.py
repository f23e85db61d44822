"""The node, and the programs that play, record and check live topics.

Only this folder may import ROS; algorithms may not live here.
"""

import resource as _resource

# Importing ROS alone opens more files than a limit of 20 allows, each with an error of its own.
_FILES = 64
_soft, _hard = _resource.getrlimit(_resource.RLIMIT_NOFILE)
if _soft < _FILES <= (_hard if _hard >= 0 else _FILES):
    _resource.setrlimit(_resource.RLIMIT_NOFILE, (_FILES, _hard))
elif 0 <= _soft < _FILES:
    raise SystemExit(f'ROS needs {_FILES} open files, {_soft} are allowed; run `ulimit -n 1024`.')
