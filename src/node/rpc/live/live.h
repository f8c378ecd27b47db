/* SPDX-License-Identifier: MIT
 *
 * What requests that go on share: who has asked for events, and what is told
 * them.
 */
#ifndef WARREN_NODE_RPC_LIVE_LIVE_H
#define WARREN_NODE_RPC_LIVE_LIVE_H

#include "node/rpc/rpc_internal.h"

#include <stdint.h>
#include <sys/queue.h>

struct subscriber;

struct live {
    TAILQ_HEAD(, subscriber) subscribers;
};

#endif
