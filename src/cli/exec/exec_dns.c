/* SPDX-License-Identifier: MIT */
#include "cli/exec/exec_dns.h"

#include "node/socks/socks_address.h"
#include "tunnel/exit/name.h"

#include <string.h>
#include <strings.h>

#define LOCALHOST "localhost"

/* The node, or an exit, can be asked for it. */
static bool can_be_asked_for(const char *text)
{
    struct bytes name = bytes_of_text(text);
    struct socks_address a;
    struct endpoint ep;
    struct name parsed;
    bool is_address;

    if (socks_address_set(&a, name, 0) == OK && socks_address_is_service(&a))
        return true;
    return name_parse(name, &parsed, &ep, &is_address) == OK && !is_address;
}

static enum dns_rcode give_address(const struct exec_dns *d,
                                   const struct dns_question *q, uint64_t now,
                                   struct endpoint out[FAMILIES],
                                   struct dns_reply *reply)
{
    struct exec_name *name;

    if (dns_name_is_localhost(q->name) || strcasecmp(q->name, d->own) == 0) {
        reply->addrs = dns_localhost;
        reply->count = FAMILIES;
        return DNS_RCODE_OK;
    }
    if (!can_be_asked_for(q->name))
        return DNS_RCODE_NO_NAME;
    if (q->type != DNS_TYPE_A && (q->type != DNS_TYPE_AAAA || !d->ipv6))
        return DNS_RCODE_OK; /* it is there, without records */
    if (exec_names_get(d->names, q->name, now, &name) != OK)
        return DNS_RCODE_FAILED;
    out[0] = exec_name_address(name, FAMILY_IPV4);
    out[1] = exec_name_address(name, FAMILY_IPV6);
    reply->addrs = out;
    reply->count = FAMILIES;
    return DNS_RCODE_OK;
}

static enum dns_rcode give_name(const struct exec_dns *d,
                                const struct dns_question *q, uint64_t now,
                                struct dns_reply *reply)
{
    const struct exec_name *name;
    struct endpoint ep;

    if (!dns_reverse_read(q->name, &ep))
        return DNS_RCODE_OK; /* which says nothing of what is below it */
    if (endpoint_is_loopback(&ep)) {
        reply->name = bytes_of_text(LOCALHOST);
        return DNS_RCODE_OK;
    }
    name = exec_names_find(d->names, &ep, now);
    if (name == NULL)
        return DNS_RCODE_NO_NAME;
    reply->name = bytes_of((const uint8_t *)name->text, name->len);
    return DNS_RCODE_OK;
}

size_t exec_dns_answer(const struct exec_dns *d, struct bytes in, uint64_t now,
                       uint8_t out[DNS_DATAGRAM_MAX])
{
    struct dns_reply reply = {.ttl = EXEC_NAME_TTL};
    struct endpoint addrs[FAMILIES];
    struct dns_question q;
    enum error e = dns_question_read(in, &q);

    if (e == ERR_SYNTAX)
        reply.code = DNS_RCODE_FORMAT;
    else if (e != OK)
        return 0;
    else if (q.opcode != 0 || q.class != DNS_CLASS_IN)
        reply.code = DNS_RCODE_NOT_IMPLEMENTED;
    else if (q.edns.version > 0)
        reply.code = DNS_RCODE_BAD_VERSION;
    else if (dns_question_is_of_root(&q))
        reply.code = DNS_RCODE_OK;
    else if (q.name[0] == '\0')
        reply.code = DNS_RCODE_NO_NAME;
    else if (q.type == DNS_TYPE_PTR)
        reply.code = give_name(d, &q, now, &reply);
    else
        reply.code = give_address(d, &q, now, addrs, &reply);
    return dns_reply_write(&q, &reply, out);
}
