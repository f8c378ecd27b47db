/* SPDX-License-Identifier: MIT
 *
 * What the protocols of a handshake share; for the files of this room only.
 *
 * A step waits for one message or line. `length` says how many bytes it has by
 * those that are there: more than there are while it cannot be told, as many
 * as there are to have a wrong one answered at once; SOCKS_IN_MAX at most.
 * `act` gets it whole, and goes on to another step or state.
 */
#ifndef WARREN_NODE_SOCKS_SOCKS_INTERNAL_H
#define WARREN_NODE_SOCKS_SOCKS_INTERNAL_H

#include "node/socks/socks_code.h"
#include "node/socks/socks_handshake.h"

#include <stdbool.h>
#include <stddef.h>

enum socks_step {
    STEP_FIRST, /* one byte, which stays for the protocol's own first step */
    STEP_SOCKS5_METHODS,
    STEP_SOCKS5_PASSWORD,
    STEP_SOCKS5_REQUEST,
    STEP_SOCKS4_REQUEST,
    STEP_SOCKS4_USER,
    STEP_SOCKS4_NAME,
    STEP_HTTP_REQUEST,
    STEP_HTTP_HEADER,
    STEP_HTTP_REST, /* of a header that is too long to be looked at */
    STEP_END_
};

/* What is there of the message. */
static inline struct bytes handshake_in(const struct socks_handshake *h)
{
    return bytes_of(h->in, h->have);
}

/* Adds to the output, which has room for it. */
void handshake_say(struct socks_handshake *h, struct bytes text);
/* Sets the isolation, unless both are empty. */
void handshake_isolate(struct socks_handshake *h, struct bytes user,
                       struct bytes password);
/* The request is there. */
void handshake_ask(struct socks_handshake *h);

/* socks5.c */
size_t socks5_methods_length(const struct socks_handshake *h);
void socks5_methods(struct socks_handshake *h);
size_t socks5_password_length(const struct socks_handshake *h);
void socks5_password(struct socks_handshake *h);
size_t socks5_request_length(const struct socks_handshake *h);
void socks5_request(struct socks_handshake *h);
/* `at` may be NULL. */
void socks5_answer(struct socks_handshake *h, enum socks5_code code,
                   const struct socks_address *at);

/* socks4.c */
size_t socks4_request_length(const struct socks_handshake *h);
void socks4_request(struct socks_handshake *h);
size_t socks4_text_length(const struct socks_handshake *h);
void socks4_user(struct socks_handshake *h);
void socks4_name(struct socks_handshake *h);
void socks4_done(struct socks_handshake *h, const struct endpoint *at);
void socks4_refuse(struct socks_handshake *h);

/* http_connect.c */
size_t http_line_length(const struct socks_handshake *h);
void http_request(struct socks_handshake *h);
void http_header(struct socks_handshake *h);
void http_rest(struct socks_handshake *h);
void http_done(struct socks_handshake *h);
void http_refuse(struct socks_handshake *h, enum reason why);

#endif
