/* SPDX-License-Identifier: MIT
 *
 * Runs in a file, so that parts of a sweep can be done on several machines and
 * be reported together: text, a line for each fact, and what each run measured
 * (measures_write). Steps of lookups are not kept.
 *
 *     warren-sim 1
 *     title TEXT
 *     dht TEXT                   unless it is warren's own alone
 *     hash HEX
 *     sweep [bytes ]SECTION.KEY  for each key that was swept
 *     runs COUNT                 of the whole sweep
 *     run NUMBER SEED complete|early    for each of these, with
 *     value TEXT                 for each key that was swept
 *     ...                        and what measures_write says
 *     end
 */
#ifndef WARREN_SIM_SAVED_REPORT_FILE_H
#define WARREN_SIM_SAVED_REPORT_FILE_H

#include "sim/report/report.h"

#define REPORT_FILE_MAX ((size_t)1 << 30) /* bytes */

/* Writes it beside `path` and then renames it; `runs`: of the whole sweep.
 * ERR_IO, ERR_NO_MEMORY. */
enum error report_save(const struct report *r, uint64_t runs, const char *path,
                       struct text *why);

struct report_files;

/* NULL: no memory. */
struct report_files *report_files_new(void);
void report_files_free(struct report_files *f);

/* Adds the runs of a file. ERR_IO; ERR_SYNTAX: it is no such file; ERR_IN_USE:
 * it is of another scenario or sweep than those before it, or has a run that
 * one of them has. `why` says what is wrong and where. */
enum error report_files_add(struct report_files *f, const char *path,
                            struct text *why);

/* All runs so far, by their numbers, until the next call; NULL before the first
 * file. *missing: how many of the sweep's are not among them. */
const struct report *report_files_get(struct report_files *f,
                                      uint64_t *missing);

#endif
