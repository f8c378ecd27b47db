/* SPDX-License-Identifier: MIT
 *
 * What a walk has found: a page for people, JSON, files of comma-separated
 * values, a picture.
 */
#ifndef WARREN_CLI_CRAWL_CRAWL_SHOW_H
#define WARREN_CLI_CRAWL_CRAWL_SHOW_H

#include "cli/crawl/crawl_walk.h"
#include "cli/show/exit_code.h"

/* Everything that is told, worked out once. */
struct crawl_findings;

/* NULL: memory is out. */
struct crawl_findings *crawl_find(const struct crawl_walk *w);
void crawl_findings_free(struct crawl_findings *f);
/* Whether anybody has answered. */
bool crawl_found_any(const struct crawl_findings *f);

void crawl_show_page(const struct crawl_findings *f);
void crawl_show_json(const struct crawl_findings *f);

/* Writes summary.csv, nodes.csv, networks.csv and clusters.csv into a
 * directory, which is made; what fails is said. */
enum exit_code crawl_write_csv(const struct crawl_findings *f,
                               const char *directory);

/* Whether there is a gnuplot, which is said if not. */
enum exit_code crawl_plot_check(void);
/* Draws crawl.png there, from the files of crawl_write_csv, which are written
 * too, by the script crawl.gp, which stays. */
enum exit_code crawl_plot(const struct crawl_findings *f,
                          const char *directory);

#endif
