"""The process of the node, from its start to its end, which a hanging runtime must not prevent."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import uninstall_signal_handlers
from rclpy.utilities import ok, try_shutdown

from mtscene_ros.ros.memory import keep_freed_memory
from mtscene_ros.ros.params import ParameterError
from mtscene_ros.ros.requests import answer_all, spin_once
from mtscene_ros.ros.shared_memory import remove_abandoned
from mtscene_ros.ros.start import StartError, start_ros
from mtscene_ros.ros.troubles import Troubles

END_S = 8.0  # from the signal; worker and loading together get 5 s
THREADS = ('perception-worker', 'model-loading')  # those that call runtimes


class ManagedNode(Protocol):
    """What `run` needs of a node besides what rclpy's nodes have: params with `autostart`, and
    must_end, which is true once the node has given up."""

    @property
    def params(self) -> Any: ...

    @property
    def must_end(self) -> bool: ...

    @property
    def context(self) -> Any: ...

    def trigger_configure(self) -> Any: ...

    def trigger_activate(self) -> Any: ...

    def destroy_node(self) -> Any: ...


def run(make_node: Callable[[], ManagedNode], args: list[str] | None) -> int:
    """Runs the node until SIGINT or SIGTERM, which may arrive at any moment.

    Returns the exit code: 1 if the node cannot start or gives up.
    """
    keep_freed_memory()
    sys.setswitchinterval(0.0005)  # the worker's Python must not hold up the executor for 5 ms
    let_signals_end_the_context()
    freed = remove_abandoned()
    try:
        start_ros(args)
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    threading.Thread(target=watch_the_end, name='last-resort', daemon=True).start()
    node, executor, code = None, None, 0
    try:
        executor = SingleThreadedExecutor()
        node = make_node()
        if freed:
            cast(Node, node).get_logger().info(
                f'Freed {freed / 1e6:.0f} MB of shared memory that processes of this user left '
                'when they were killed.'
            )
        code = spin(node, executor)
    except ParameterError as error:
        rclpy.logging.get_logger('perception').fatal(str(error))
        code = 1
    except ExternalShutdownException:
        pass
    except Exception:  # from a call during which the context ended
        if ok():
            raise
    finally:
        end_at_last()
        uninstall_signal_handlers()  # the executor must exist until then, see below
        if node is not None:
            node.destroy_node()
        try_shutdown()
    leave_what_hangs(code)
    return code


def let_signals_end_the_context() -> None:
    """Makes SIGINT and SIGTERM end the ROS context and nothing else. Call it before rclpy.init.

    rclpy's handlers call those of Python, whose KeyboardInterrupt would destroy the executor while
    rclpy's own thread is about to wake it without a lock: SIGSEGV (trigger_guard_conditions in
    signal_handler.cpp, Humble to Jazzy). It could also cut a record of a file in two.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)


def spin(node: ManagedNode, executor: Executor) -> int:
    """Returns 1 where the node cannot start and where it gives up."""
    if node.params.autostart and not started(node):
        return int(node.context.ok())  # 0 where a signal is the reason
    troubles = Troubles(cast(Node, node).get_logger())
    answer_all(cast(Node, node), troubles)
    executor.add_node(cast(Node, node))
    while node.context.ok() and not node.must_end:
        spin_once(executor, troubles, 0.5)
    return int(node.must_end)


def started(node: ManagedNode) -> bool:
    success = TransitionCallbackReturn.SUCCESS
    return bool(node.trigger_configure() == success and node.trigger_activate() == success)


def watch_the_end() -> None:
    """Ends the process when a signal finds the main thread stuck in the middleware."""
    while ok():
        time.sleep(0.2)
    end_at_last()


def end_at_last() -> None:
    """Ends the process with 1 if it is still there in END_S, and prints where its threads are.

    The middleware can hang as well (docs/reliability.md), mostly in calls of rclpy that hold
    Python's interpreter lock, which faulthandler's thread does not need. That thread ends with
    Python; the kernel's alarm 2 s later also reaches what C++ does afterwards.
    """
    faulthandler.dump_traceback_later(END_S, exit=True)
    signal.alarm(int(END_S) + 2)


def leave_what_hangs(code: int) -> None:
    """Ends the process at once if a thread hangs in a runtime; otherwise it returns.

    The native code of the runtime would hold up Python's own exit.
    """
    if any(thread.name in THREADS for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
