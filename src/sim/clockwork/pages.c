/* SPDX-License-Identifier: MIT */
#include "sim/clockwork/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* What the program was called with: words with their zeros in `text`. NULL when
 * that cannot be said, or is too long. */
static char **own_words(char *text, size_t size, char **words, size_t count)
{
    FILE *f = fopen("/proc/self/cmdline", "r");
    size_t len = f != NULL ? fread(text, 1, size, f) : 0;
    size_t n = 0;

    if (f != NULL)
        fclose(f);
    if (len == 0 || len == size)
        return NULL;
    for (size_t at = 0; at < len && n + 1 < count; at += strlen(text + at) + 1)
        words[n++] = text + at;
    words[n] = NULL;
    return n + 1 < count ? words : NULL;
}

void sim_pages_for_heap(void)
{
    static const char name[] = "GLIBC_TUNABLES";
    static char text[65536];
    static char *words[1024];
    char program[4096];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program));
    char **argv;

    if (getenv(name) != NULL || len <= 0 || (size_t)len == sizeof(program))
        return;
    program[len] = '\0'; /* by its name, under which ps is to show it */
    argv =
        own_words(text, sizeof(text), words, sizeof(words) / sizeof(words[0]));
    if (argv != NULL && setenv(name, "glibc.malloc.hugetlb=1", 0) == 0)
        (void)execv(program, argv);
}
