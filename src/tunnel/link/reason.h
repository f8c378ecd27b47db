/* SPDX-License-Identifier: MIT
 *
 * Why a link, a circuit or a request over one ended. One byte on the wire;
 * a number that is not listed is read as REASON_UNKNOWN.
 */
#ifndef WARREN_TUNNEL_LINK_REASON_H
#define WARREN_TUNNEL_LINK_REASON_H

#include <stdint.h>

enum reason {
    REASON_UNKNOWN = 0,
    REASON_REQUESTED = 1,   /* whoever built it wants it no more */
    REASON_TIMEOUT = 2,     /* no answer in time */
    REASON_UNREACHABLE = 3, /* the link to the next hop cannot be had */
    REASON_LINK_LOST = 4,   /* the link to the next hop went away */
    REASON_HANDSHAKE = 5,   /* an answer that is not the hop's own */
    REASON_FULL = 6,        /* a cap of the relay is reached */
    REASON_ADDRESS = 7,     /* an address that is not extended to */
    REASON_DEPTH = 8,       /* the circuit would get too long */
    REASON_PROTOCOL = 9,    /* a message that makes no sense there */
    REASON_VERSION = 10,    /* another version of the protocol */
    REASON_IDLE = 11,       /* max_time_inactive */
    REASON_AGE = 12,        /* max_time */
    REASON_TRAFFIC = 13,    /* max_traffic */
    REASON_SHUTDOWN = 14,   /* the node stops */
    REASON_NO_EXIT = 15,    /* the hop is no exit */
    REASON_POLICY = 16,     /* the exit does not send there */
    REASON_RESOLVE = 17,    /* the name has no address that can be used */
    REASON_NO_RELAYS = 18,  /* too few relays are known; local only */
    REASON_RATE = 19,       /* more is sent than the exit takes */
    REASON_SILENT = 20,     /* so much was sent, and no answer came */
    REASON_IO = 21,         /* the system of the exit does not send it */
    REASON_REFUSED = 22,    /* the destination takes no connections there */
    REASON_NO_NAME = 23,    /* there is no such name */
    REASON_DNS = 24,        /* the name servers of the exit fail */
    REASON_END_
};

/* A sentence fragment for people, and a name for metrics and JSON. */
const char *reason_text(enum reason r);
const char *reason_name(enum reason r);

/* What a peer sent, made safe. */
enum reason reason_of(uint64_t wire);

#endif
