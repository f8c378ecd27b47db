/* SPDX-License-Identifier: MIT
 *
 * What the verbs about the DHT share.
 */
#ifndef WARREN_CLI_VERB_VERB_DHT_H
#define WARREN_CLI_VERB_VERB_DHT_H

#include "cli/ask/talk.h"
#include "cli/show/exit_code.h"

#include <stdbool.h>

/* Prints an answer for people, returns the exit code. */
typedef enum exit_code cli_print_fn(struct cli_talk *t,
                                    struct mp_reader answer);

/* A whole conversation of one request, whose only parameter is `text` under
 * `name`; none, where `name` is NULL. */
enum exit_code cli_dht_ask(struct cli *cli, const char *doing,
                           const char *method, const char *name,
                           const char *text, bool lookup, cli_print_fn *print);

/* How many were asked, and how long it took. */
void cli_dht_print_effort(struct mp_reader answer);

#endif
