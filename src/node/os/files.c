/* SPDX-License-Identifier: MIT */
#include "node/os/files.h"

#include <limits.h>
#include <sys/resource.h>

#define POSIX_MIN 20 /* what every process may have open (_POSIX_OPEN_MAX) */

static unsigned number_of(rlim_t limit)
{
    return limit > UINT_MAX ? UINT_MAX : (unsigned)limit;
}

unsigned files_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return POSIX_MIN;
    return number_of(limit.rlim_cur);
}

unsigned files_raise(unsigned wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return files_limit();
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    return files_limit();
}
