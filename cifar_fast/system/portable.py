"""What systems do in ways of their own: locks, memory, files. Linux's way first, then that of macOS and Windows."""
import errno
import os
import signal
import sys
import threading

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
try:
    import msvcrt
except ImportError:
    msvcrt = None
try:
    import resource
except ImportError:  # Windows
    resource = None

# What stops a run: people and managers of processes; then what schedulers send before a time limit, and terminals that
# are closed, maybe more than once.
LEAVE = (signal.SIGINT, signal.SIGTERM)
WARNINGS = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU") if hasattr(signal, name))
# What file systems say that have no syncing, mostly of folders (9p, SMB, FUSE): what is written there survives all but
# a crash of the whole machine.
UNSYNCABLE = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF)
# What they say that have no locks (Lustre, NFS, FUSE).
UNLOCKABLE = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
_SEEKING = threading.Lock()
FAR = 1 << 30  # a byte that no lock file has: Windows lets nobody read what is locked


def lock(handle):
    """Locks an open file (its descriptor, or a file object) until it is closed, or the process ends however it does.
    Returns whether there are locks, in this system and in the file's; without any, nothing keeps a second process out.

    Raises:
      BlockingIOError: another process holds it. OSError: it can't be locked, for a reason of its own.
    """
    if fcntl:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in UNLOCKABLE:
                return False
            raise
    elif msvcrt:
        descriptor = handle if isinstance(handle, int) else handle.fileno()
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
        finally:
            os.lseek(descriptor, place, os.SEEK_SET)
    return bool(fcntl or msvcrt)


def peak_memory_mib():
    """The most memory that this process has held; None where the system does not say."""
    if not resource:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak >> (20 if sys.platform == "darwin" else 10)  # bytes there, KiB on Linux


def memory():
    """Bytes of this machine's memory; 4 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 1 << 32


def allocate(file, count):
    """Takes so many bytes of the disk for a new file, an open one, and leaves it at its start."""
    if hasattr(os, "posix_fallocate"):  # Linux alone
        os.posix_fallocate(file.fileno(), 0, count)
    else:
        for start in range(0, count, FAR):
            file.write(bytes(min(FAR, count - start)))
        file.flush()
        file.seek(0)


def write_at(file, place, data):
    """Writes all of a bytes-like object to an unbuffered file, open for writing; from any thread."""
    data = memoryview(data).cast("B")
    while len(data):
        if hasattr(os, "pwrite"):  # not on Windows
            written = os.pwrite(file.fileno(), data, place)
        else:
            with _SEEKING:
                file.seek(place)
                written = file.write(data)
        data, place = data[written:], place + written


def sync(handle):
    """Waits until an open file, or folder, is on disk, where its file system knows of such a thing."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNSYNCABLE:
            raise


def sync_folder(folder):
    """Waits until a folder's names are on disk, where folders can be opened: on Windows they can't."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        if os.name == "nt":
            return
        raise
    try:
        sync(handle)
    finally:
        os.close(handle)
