/* SPDX-License-Identifier: MIT
 *
 * All verbs: each file that has some has a table of them at its end, and
 * verbs.c looks through the tables. A new verb is a row in one of these and a
 * function; a new file is declared here and listed in verbs.c.
 */
#ifndef WARREN_CLI_VERB_VERBS_H
#define WARREN_CLI_VERB_VERBS_H

#include "cli/ask/arguments.h"

#include <stddef.h>

extern const struct cli_verb cli_local_verbs[]; /* verb_local.c */
extern const struct cli_verb cli_dht_verbs[];   /* verb_dht.c */
extern const struct cli_verb cli_peers_verbs[]; /* verb_peers.c */
extern const struct cli_verb cli_item_verbs[];  /* verb_item.c */
extern const struct cli_verb cli_crawl_verbs[]; /* verb_crawl.c */
extern const struct cli_verb cli_published_verbs[];
extern const struct cli_verb cli_status_verbs[];
extern const struct cli_verb cli_events_verbs[]; /* verb_events.c */
extern const struct cli_verb cli_tunnel_verbs[]; /* verb_tunnel.c */
extern const struct cli_verb cli_tunnel_list_verbs[];
extern const struct cli_verb cli_tunnel_speed_verbs[];
extern const struct cli_verb cli_service_verbs[]; /* verb_service.c */
extern const struct cli_verb cli_service_key_verbs[];
extern const struct cli_verb cli_service_use_verbs[];
extern const struct cli_verb cli_exec_verbs[]; /* verb_exec.c */
extern const struct cli_verb cli_sim_verbs[];  /* verb_sim.c */

/* Verb `i` of all tables; NULL past the end. */
const struct cli_verb *cli_verb_at(size_t i);

/* The verb that the first of `argv` name, and how many words it took. */
const struct cli_verb *cli_find_verb(int argc, char **argv, int *words);

#define CLI_NAME_SIZE 96

/* The first `count` of `argv` with blanks between them. */
void cli_join_words(char out[CLI_NAME_SIZE], int count, char **argv);

#endif
