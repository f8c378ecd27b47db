/* SPDX-License-Identifier: MIT
 *
 * How long an answer may be. The source address of a query may be forged, and
 * then the answer goes to somebody who has not asked. So it is no more than
 * three times the query, with the headers of IP and UDP, unless the asker has
 * shown by a token that he receives what is sent to the address (RFC 9000,
 * section 8.1, has the same rule). Who wants more sends a longer query. In the
 * mainline DHT, where nobody would, a few answers may be longer (answer.c).
 */
#ifndef WARREN_DHT_TYPES_ANSWER_LIMIT_H
#define WARREN_DHT_TYPES_ANSWER_LIMIT_H

#include "base/endpoint.h"

#include <stddef.h>

#define ANSWER_MULTIPLE 3

/* IP without options, and UDP. */
static inline size_t answer_headers(enum family family)
{
    return family == FAMILY_IPV4 ? 28 : 48;
}

/* Bytes of the longest answer to a query of `query_len` bytes. */
static inline size_t answer_limit(size_t query_len, enum family family)
{
    size_t headers = answer_headers(family);

    return ANSWER_MULTIPLE * (query_len + headers) - headers;
}

/* Bytes of the shortest query that may have an answer of `answer_len`. */
static inline size_t answer_needs(size_t answer_len, enum family family)
{
    size_t headers = answer_headers(family);
    size_t all = (answer_len + headers + ANSWER_MULTIPLE - 1) / ANSWER_MULTIPLE;

    return all > headers ? all - headers : 0;
}

#endif
