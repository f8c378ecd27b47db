/* SPDX-License-Identifier: MIT
 *
 * What the verbs about tunnels share.
 */
#ifndef WARREN_CLI_VERB_VERB_TUNNEL_H
#define WARREN_CLI_VERB_VERB_TUNNEL_H

#include "base/timestamp.h"
#include "cli/ask/talk.h"

#define CLI_HOPS_DEFAULT 3
#define CLI_SHORT_ID     8 /* digits of an identity in tables */
#define CLI_TUNNEL_SLACK 5 /* s for the daemon to say why not */
#define CLI_CIRCUIT_MAX  UINT32_MAX
/* The slack of a verb that stays until it is ended by hand. */
#define CLI_FOR_EVER (UINT64_C(100) * 365 * 24 * TIME_HOUR)

/* --hops; false after a sentence on stderr. */
bool cli_read_hops(const struct cli *cli, uint64_t *out);

/* Notes what the daemon waits for, for the progress line. */
void cli_tunnel_notified(struct cli_talk *t, struct bytes method,
                         struct mp_reader params);

/* Params `hops`, `timeout` and `stream`, which cli_tunnel_params counts; then
 * `pairs` of the caller's. The daemon keeps to the timeout itself. */
struct mp_writer *cli_tunnel_params(struct cli_talk *t, uint64_t hops,
                                    uint32_t pairs);

#endif
