/* SPDX-License-Identifier: MIT
 *
 * Answers that are errors (BEP 5, BEP 44). An error is never answered, nor is
 * an answer that cannot be read: two nodes would not come to an end.
 */
#include "dht/answer/answer.h"

#include "dht/world/world.h"

enum error answer_error(struct dht_service *s, struct answer *a,
                        enum dht_error_code code, const char *text,
                        enum error why)
{
    a->m.kind = DHT_ERROR;
    a->m.has &= ~(uint32_t)DHT_HAS_ID;
    a->m.error_code = code;
    a->m.error_text = bytes_of_text(text);
    answer_send(s, a);
    return why;
}

/* What a query cannot be read for, as KRPC has it. */
static void refuse(struct dht_service *s, struct answer *a,
                   const struct dht_message *m, enum error why)
{
    if (m->method == DHT_UNKNOWN_METHOD)
        answer_error(s, a, DHT_ERROR_METHOD, "method unknown", why);
    else if (why == ERR_SALT)
        answer_error(s, a, DHT_ERROR_SALT, "salt too long", why);
    else if (why == ERR_TOO_LARGE && m->method == DHT_PUT)
        answer_error(s, a, DHT_ERROR_TOO_LARGE, "v too large", why);
    else if (why == ERR_MISSING)
        answer_error(s, a, DHT_ERROR_PROTOCOL, "argument missing", why);
    else
        answer_error(s, a, DHT_ERROR_PROTOCOL, "malformed", why);
}

void service_refuse(struct dht_service *s, const struct endpoint *from,
                    const struct dht_message *m, size_t len, enum error why)
{
    struct answer a;

    if (m->transaction.len == 0 || m->kind != DHT_QUERY ||
        s->w->config.read_only || !limiter_allow(&s->limiter, from, s->w->now))
        return;
    answer_begin(s, &a, from, m->transaction, len);
    refuse(s, &a, m, why);
}
