/* Clocks that a test moves. The file that CLOCK names has the seconds by which the monotonic clock is ahead, and those by
   which the wall clock is ahead or, if they are negative, behind. */

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
    char text[48] = { 0 };
    char *wall;
    long ahead;

    if (failed || (id != CLOCK_MONOTONIC && id != CLOCK_REALTIME) || !path
        || (file = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return failed;
    if (read(file, text, sizeof text - 1) > 0) {
        ahead = strtol(text, &wall, 10);
        now->tv_sec += id == CLOCK_MONOTONIC ? ahead : strtol(wall, NULL, 10);
    }
    close(file);
    return 0;
}
