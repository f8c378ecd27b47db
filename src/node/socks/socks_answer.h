/* SPDX-License-Identifier: MIT
 *
 * What a client is told of an exit's answer. An exit can lie about names: who
 * asks for one is told no address of his own machine or network, which he might
 * then turn to, and no name that does more to a terminal than to be read.
 */
#ifndef WARREN_NODE_SOCKS_SOCKS_ANSWER_H
#define WARREN_NODE_SOCKS_SOCKS_ANSWER_H

#include "node/socks/socks_handshake.h"
#include "stream/stream_request.h"

/* Of RESOLVE: the first address in `at` that is global, or any with
 * `local_too` (a testing network), and one that the protocol has words for.
 * False: there is none; of REVERSE, that the name is none. */
bool socks_answer_choose(const struct socks_request *request,
                         const struct stream_answer *answer, bool local_too,
                         struct endpoint *at);

#endif
