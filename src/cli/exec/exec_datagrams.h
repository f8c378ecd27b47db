/* SPDX-License-Identifier: MIT
 *
 * Datagrams of a program in a space of ours: through associations of the
 * daemon's proxy (RFC 1928 §7), and back from the address that the program had
 * sent to.
 *
 * What a socket of the program sends to addresses goes through one association;
 * what it sends to a name through another one, so that answers, which are from
 * an address that the exit knows, can be told to be from that name. One that
 * nothing has gone through for IDLE ends, and with EXEC_FLOWS_MAX the one not
 * used for longest makes way.
 */
#ifndef WARREN_CLI_EXEC_EXEC_DATAGRAMS_H
#define WARREN_CLI_EXEC_EXEC_DATAGRAMS_H

#include "base/error.h"
#include "cli/exec/exec_names.h"
#include "cli/exec/exec_packet.h"
#include "cli/exec/exec_socks.h"

#define EXEC_FLOWS_MAX 96 /* associations; the daemon has 128 for a source */

struct event;
struct event_base;

struct exec_datagrams {
    struct event_base *base;
    const struct exec_proxy *proxy;
    struct exec_names *names;
    int raw[FAMILIES];
    struct event *readable[FAMILIES], *tick;
    struct keyed_table flows;
    uint8_t buf[EXEC_PACKET_MAX], packet[EXEC_PACKET_MAX];
};

/* As exec_streams_start; `udp` and `raw` as in struct exec_sockets. */
enum error
exec_datagrams_start(struct exec_datagrams *d, struct event_base *base,
                     const struct exec_proxy *proxy, struct exec_names *names,
                     const int udp[FAMILIES], const int raw[FAMILIES]);
void exec_datagrams_stop(struct exec_datagrams *d);

#endif
