/* SPDX-License-Identifier: MIT
 *
 * From /proc: the second number of statm is pages in RAM.
 */
#include "node/os/process.h"

#include <stdio.h>
#include <unistd.h>

uint64_t process_resident(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long long size, resident = 0;

    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
