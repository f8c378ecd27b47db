/* SPDX-License-Identifier: MIT
 *
 * A question to the resolver: what is read of it stays within its bounds, and
 * any reply to it fits, and repeats the question.
 */
#include "fuzz.h"

#include "node/dns/dns_message.h"

#include <assert.h>
#include <string.h>

static void check_reply(const struct dns_question *q, enum dns_rcode code)
{
    struct endpoint addrs[16] = {{.addr = {1}}};
    struct dns_reply r = {.code = code,
                          .ttl = 1,
                          .addrs = addrs,
                          .count = 16,
                          .name = bytes_of_text("a.example")};
    uint8_t out[DNS_DATAGRAM_MAX];
    struct dns_question again;
    size_t len;

    for (unsigned i = 0; i < 16; i++)
        addrs[i].family = i % 2;
    len = dns_reply_write(q, &r, out);
    assert(len >= 12 && len <= sizeof(out));
    assert(memcmp(out + 12, q->wire, q->wire_len) == 0);
    out[2] &= 0x7f; /* read as a question, it is the same */
    if (q->wire_len == 0)
        return;
    assert(dns_question_read(bytes_of(out, len), &again) == OK);
    assert(again.id == q->id && again.type == q->type);
    assert(strcmp(again.name, q->name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_question q;
    struct endpoint ep;
    enum error e = dns_question_read(bytes_of(data, size), &q);

    if (e == ERR_MISSING || e == ERR_UNKNOWN_KIND)
        return 0;
    assert(strlen(q.name) < sizeof(q.name));
    assert(q.name[0] == '\0' || dns_name_is_sound(bytes_of_text(q.name)));
    dns_reverse_read(q.name, &ep);
    check_reply(&q, e == OK ? DNS_RCODE_OK : DNS_RCODE_FORMAT);
    return 0;
}
