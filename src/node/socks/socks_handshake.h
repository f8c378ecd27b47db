/* SPDX-License-Identifier: MIT
 *
 * What a client of the proxy says before its bytes go through, and what is
 * answered: SOCKS5 (RFC 1928, 1929), SOCKS4 and 4a, each with tor's RESOLVE
 * and SOCKS5 with RESOLVE_PTR, and CONNECT of HTTP/1.x (RFC 9110 §9.3.6). The
 * first byte tells which. No socket, no clock: a client that stops in the
 * middle is the caller's to give up.
 *
 *     READING -> ASKED -> OPEN     the request was done
 *        |         +----> OVER     it was refused, or done with the answer
 *        +--------------> OVER     it made no sense
 *
 * Bytes behind the request are the application's, sent in the hope that it
 * will be done, and are left to the caller. User and password are a key of
 * isolation: any are right, and none is kept.
 */
#ifndef WARREN_NODE_SOCKS_SOCKS_HANDSHAKE_H
#define WARREN_NODE_SOCKS_SOCKS_HANDSHAKE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "node/socks/socks_address.h"
#include "tunnel/link/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOCKS_KEY_BYTES       32
#define SOCKS_ISOLATION_BYTES 32
#define SOCKS_IN_MAX          768  /* the longest message or header kept */
#define SOCKS_OUT_MAX         512  /* all that is ever answered */
#define SOCKS_HTTP_HEAD_MAX   8192 /* request line and headers */

enum socks_protocol {
    SOCKS_UNTOLD, /* nothing came yet, or nothing that is one of these */
    SOCKS_V5,
    SOCKS_V4,
    SOCKS_V4A,
    SOCKS_HTTP
};

enum socks_command {
    SOCKS_CONNECT,   /* a stream; the port is not 0 */
    SOCKS_ASSOCIATE, /* datagrams, from `to` where that is not all zero */
    SOCKS_RESOLVE,   /* addresses of a name, never of an address */
    SOCKS_REVERSE    /* the name of an address */
};

enum socks_state {
    SOCKS_READING, /* more has to come */
    SOCKS_ASKED,   /* the request is there: do, name or refuse it */
    SOCKS_OPEN,    /* it was done; what comes is the application's */
    SOCKS_OVER     /* close, after all of the output; what comes is dropped */
};

struct socks_request {
    enum socks_protocol protocol;
    enum socks_command command;
    struct socks_address to;
    /* Of user and password, the same for the same pair, by whatever protocol;
     * all zero when both are empty or were not asked for. */
    uint8_t isolation[SOCKS_ISOLATION_BYTES];
};

struct socks_handshake {
    enum socks_state state;
    struct socks_request request; /* whole from SOCKS_ASKED on */

    /* Private. */
    const uint8_t *key;
    uint8_t step;
    uint16_t have;      /* bytes of `in` */
    uint16_t out_begin; /* sent up to there */
    uint16_t out_end;
    uint16_t http_taken; /* bytes of the head */
    bool http_isolated;  /* Proxy-Authorization was there */
    uint8_t in[SOCKS_IN_MAX + 1];
    uint8_t out[SOCKS_OUT_MAX];
};

/* `key` is secret, random, made at the start of the process, and outlives
 * the handshake. */
void socks_handshake_init(struct socks_handshake *h,
                          const uint8_t key[SOCKS_KEY_BYTES]);
/* Wipes it. */
void socks_handshake_deinit(struct socks_handshake *h);

/* Takes from `data` what belongs to the handshake, and moves `data` behind it:
 * all in READING and OVER, nothing in ASKED and OPEN. */
enum socks_state socks_handshake_receive(struct socks_handshake *h,
                                         struct bytes *data);

/* The isolation of a user and a password, not both empty. */
void socks_isolation(const uint8_t key[SOCKS_KEY_BYTES], struct bytes user,
                     struct bytes password, uint8_t out[SOCKS_ISOLATION_BYTES]);

/* In ASKED, one of these. Done: `at` is where the exit has connected from, the
 * address for the datagrams of an association, or that of the name; NULL of a
 * CONNECT says that nobody knows. An IPv6 address is refused where SOCKS4 asks
 * for an address. */
void socks_handshake_done(struct socks_handshake *h, const struct endpoint *at);
/* Done, of REVERSE; 1 to SOCKS_NAME_MAX bytes. */
void socks_handshake_named(struct socks_handshake *h, struct bytes name);
void socks_handshake_refuse(struct socks_handshake *h, enum reason why);

/* What is to be sent, and that so much of it was. */
struct bytes socks_handshake_output(const struct socks_handshake *h);
void socks_handshake_sent(struct socks_handshake *h, size_t len);

#endif
