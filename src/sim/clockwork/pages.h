/* SPDX-License-Identifier: MIT
 *
 * Big tables straight from the system: zero, there only where they are touched,
 * and in huge pages (2 MB) where there is more than a few of them, because a
 * network of a million nodes is looked at in no order at all and would miss the
 * TLB with every look.
 */
#ifndef WARREN_SIM_CLOCKWORK_PAGES_H
#define WARREN_SIM_CLOCKWORK_PAGES_H

#include <stddef.h>

#define SIM_PAGES_HUGE ((size_t)2 << 20)

/* Zero bytes at a page's beginning; NULL when memory is out. */
void *sim_pages_new(size_t bytes);
/* `bytes` as they were asked for. Legal for NULL. */
void sim_pages_free(void *pages, size_t bytes);

/* Sees to it that malloc asks for huge pages too, where the engines' state
 * lies. As only glibc's own setting does that (2.35 and later), the program is
 * run anew with it, as it was called: to be done before anything else is, and
 * before threads. Returns when that has happened, or cannot. Who set
 * GLIBC_TUNABLES is left alone. */
void sim_pages_for_heap(void);

#endif
