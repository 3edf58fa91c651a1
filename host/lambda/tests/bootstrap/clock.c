/* A monotonic clock that a test moves: it is ahead by the seconds in the file that CLOCK names. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now)
{
    int failed = (int)syscall(SYS_clock_gettime, id, now);
    const char *path = getenv("CLOCK");
    int file;
    char ahead[16] = { 0 };

    if (failed || id != CLOCK_MONOTONIC || !path || (file = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return failed;
    if (read(file, ahead, sizeof ahead - 1) > 0)
        now->tv_sec += atol(ahead);
    close(file);
    return 0;
}
