/* SPDX-License-Identifier: MIT
 *
 * What the verbs share that publish.
 */
#ifndef WARREN_CLI_VERB_VERB_PUBLISHED_H
#define WARREN_CLI_VERB_VERB_PUBLISHED_H

#include "cli/ask/talk.h"

/* How dht.announce or dht.put ends that others have stored: whether this node
 * will still know of it after a restart. */
enum exit_code cli_published_code(const struct cli_talk *t);

#endif
