/* SPDX-License-Identifier: MIT
 *
 * What a stream begins with, both ways: the length of a message (2 bytes,
 * big-endian), and the message, a msgpack array. After it come the bytes of
 * the application. The opener need not wait for the answer.
 *
 *     request                             opener to acceptor
 *      1 CONNECT  address and port (bin 6 or 18), or name, port
 *      2 RESOLVE  name                    addresses of a name
 *      3 REVERSE  address (bin 4 or 16)   its name
 *      4 PORT     port                    of a service
 *     answer                              acceptor to opener
 *      reason                             a number; 0: it is done
 *      reason, address and port           CONNECT: where to
 *      reason, ttl, [address, ...]        RESOLVE: bin 4 or 16, 1 to 16
 *      reason, ttl, name                  REVERSE
 *
 * A stream that asks for names ends with the answer. A reason other than 0 is
 * the last message, too.
 */
#ifndef WARREN_STREAM_STREAM_REQUEST_H
#define WARREN_STREAM_STREAM_REQUEST_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define STREAM_NAME_MAX      253 /* bytes, RFC 1035 */
#define STREAM_ADDRESSES_MAX 16
#define STREAM_MESSAGE_MAX   512 /* bytes, with the length */

enum stream_request_kind {
    STREAM_CONNECT = 1,
    STREAM_RESOLVE = 2,
    STREAM_REVERSE = 3,
    STREAM_PORT = 4
};

/* Views point into the text. */
struct stream_request {
    enum stream_request_kind kind;
    struct bytes name;  /* RESOLVE; CONNECT: empty for an endpoint */
    struct endpoint ep; /* CONNECT without a name; REVERSE: port 0 */
    uint16_t port;      /* CONNECT with a name, PORT */
};

struct stream_answer {
    uint8_t reason;                                /* enum reason; 0: done */
    uint32_t ttl;                                  /* s */
    struct endpoint address[STREAM_ADDRESSES_MAX]; /* port 0 but in CONNECT's */
    unsigned address_count;
    struct bytes name;
};

/* Collects a message from the pieces in which it comes. */
struct stream_message {
    uint8_t text[STREAM_MESSAGE_MAX];
    size_t have;
};

/* Takes from `data` what belongs to the message, and moves `data` behind it.
 * OK: it is whole; ERR_MISSING: more has to come; ERR_TOO_LARGE, ERR_RANGE (a
 * length of 0). */
enum error stream_message_take(struct stream_message *m, struct bytes *data);

/* Of a whole message. Besides the errors of mp_parse and mp_reader:
 * ERR_UNKNOWN_KIND, ERR_TRAILING. */
enum error stream_request_read(const struct stream_message *m,
                               struct stream_request *out);
enum error stream_answer_read(const struct stream_message *m,
                              enum stream_request_kind to,
                              struct stream_answer *out);

/* With the length; STREAM_MESSAGE_MAX is enough for each. */
size_t stream_request_write(const struct stream_request *r,
                            uint8_t out[STREAM_MESSAGE_MAX]);
size_t stream_answer_write(const struct stream_answer *a,
                           enum stream_request_kind to,
                           uint8_t out[STREAM_MESSAGE_MAX]);

#endif
