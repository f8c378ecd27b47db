/* SPDX-License-Identifier: MIT */
#include "sim/parts/pages.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *sim_pages_new(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    /* Not the first ones: a small network should stay small. Advice may be
     * refused, and then things are slower. */
    if (bytes > SIM_PAGES_HUGE)
        (void)madvise((char *)p + SIM_PAGES_HUGE, bytes - SIM_PAGES_HUGE,
                      MADV_HUGEPAGE);
    return p;
}

void sim_pages_free(void *pages, size_t bytes)
{
    if (pages != NULL)
        (void)munmap(pages, bytes);
}

void sim_pages_for_heap(char **argv)
{
    static const char name[] = "GLIBC_TUNABLES";

    if (getenv(name) == NULL && setenv(name, "glibc.malloc.hugetlb=1", 0) == 0)
        (void)execv("/proc/self/exe", argv);
}
