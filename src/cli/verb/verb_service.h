/* SPDX-License-Identifier: MIT
 *
 * What the verbs about services share.
 */
#ifndef WARREN_CLI_VERB_VERB_SERVICE_H
#define WARREN_CLI_VERB_VERB_SERVICE_H

#include "cli/ask/talk.h"

/* Asks a method about the service that the first argument names, with `label`
 * if that is not NULL. After EXIT_DONE, and only then, `t` has the answer and
 * is to be deinitialized. */
enum exit_code cli_service_ask(struct cli_talk *t, struct cli *cli,
                               const char *method, const char *label);

#endif
