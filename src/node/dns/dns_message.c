/* SPDX-License-Identifier: MIT
 *
 *     2   id
 *     2   flags    QR, opcode (4 bits), AA, TC, RD; RA, zero (3), rcode (4)
 *     8   counts   questions, answers, authorities, additional
 *     n   question name: length and label, ..., 0; type (2), class (2)
 *     n   records  name (2: a pointer to the question's), type, class, ttl (4),
 *                  length (2), data
 *
 * EDNS is a record among the additional: the root, type OPT, as the class the
 * bytes of a datagram, as the ttl the upper 8 bits of the rcode, a version (8)
 * and flags (16).
 */
#include "node/dns/dns_message.h"

#include <string.h>

#define HEAD        12
#define NAME_MAX    255 /* bytes, on the wire */
#define LABEL_MAX   63
#define RECORD_HEAD 12
#define POINTER     0xc00c /* to the name of the question */
#define COMPRESSED  0xc0   /* of a pointer's first byte */
#define ROOT_HEAD   11     /* of a record of the root */

#define FLAG_QR 0x8000
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define FLAG_CD 0x0010
#define FLAG_DO 0x8000 /* of EDNS */

#define TYPE_SOA 6
#define TYPE_OPT 41

/* Of the SOA: names of its server and its keeper, which are the root; five
 * numbers of 32 bits. */
#define SOA_SIZE 22

#define IPV4_SUFFIX ".in-addr.arpa"
#define IPV6_SUFFIX ".ip6.arpa"

/* ---- Names -------------------------------------------------------------- */

static bool is_sound_byte(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') ||
           (b >= '0' && b <= '9') || b == '-' || b == '_';
}

static char lower(uint8_t b)
{
    return (char)(b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
}

/* Bytes of the name that `in` begins with, with its end; 0: none is there. */
static size_t name_length(struct bytes in)
{
    size_t at = 0;

    while (at < in.len && in.p[at] != 0) {
        if (in.p[at] > LABEL_MAX)
            return 0;
        at += 1u + in.p[at];
    }
    return at < in.len && at < NAME_MAX ? at + 1 : 0;
}

/* Of a whole name; the text is 2 bytes shorter than that on the wire. */
static bool read_text(struct bytes wire, char out[DNS_TEXT_SIZE])
{
    size_t len = 0;

    for (size_t at = 0; wire.p[at] != 0; at += 1u + wire.p[at]) {
        if (len > 0)
            out[len++] = '.';
        for (size_t i = 1; i <= wire.p[at]; i++) {
            if (!is_sound_byte(wire.p[at + i]))
                return false;
            out[len++] = lower(wire.p[at + i]);
        }
    }
    out[len] = '\0';
    return true;
}

bool dns_name_is_sound(struct bytes name)
{
    size_t label = 0;

    if (name.len == 0 || name.len >= DNS_TEXT_SIZE)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.p[i] == '.' ? label == 0 : !is_sound_byte(name.p[i]))
            return false;
        label = name.p[i] == '.' ? 0 : label + 1;
        if (label > LABEL_MAX)
            return false;
    }
    return label > 0;
}

/* Of a sound name; returns the bytes, which are 2 more. */
static size_t write_name(struct bytes name, uint8_t *out)
{
    size_t length_at = 0;

    memcpy(out + 1, name.p, name.len);
    for (size_t i = 0; i <= name.len; i++) {
        if (i < name.len && name.p[i] != '.')
            continue;
        out[length_at] = (uint8_t)(i - length_at);
        length_at = i + 1;
    }
    out[name.len + 1] = 0;
    return name.len + 2;
}

/* ---- Questions ---------------------------------------------------------- */

static enum error read_question(struct bytes in, struct dns_question *out)
{
    size_t len = name_length(in);

    if (len == 0 || in.len - len < 4)
        return ERR_SYNTAX;
    out->type = (uint16_t)bytes_get_number(in.p + len, 2);
    out->class = (uint16_t)bytes_get_number(in.p + len + 2, 2);
    out->wire_len = len + 4;
    memcpy(out->wire, in.p, out->wire_len);
    if (!read_text(bytes_of(in.p, len), out->name))
        out->name[0] = '\0';
    return OK;
}

/* Bytes of the name of a record at `at`, which may end in a pointer; 0: none is
 * there. */
static size_t record_name_length(struct bytes in, size_t at)
{
    size_t len = 0;

    for (; at + len < in.len; len += 1u + in.p[at + len]) {
        if (in.p[at + len] == 0)
            return len + 1;
        if ((in.p[at + len] & COMPRESSED) == COMPRESSED)
            return len + 2;
        if (in.p[at + len] > LABEL_MAX)
            return 0;
    }
    return 0;
}

static enum error read_edns(const uint8_t *fields, struct dns_edns *out)
{
    uint16_t room = (uint16_t)bytes_get_number(fields + 2, 2);

    if (out->there)
        return ERR_SYNTAX;
    if (room > DNS_DATAGRAM_MAX)
        room = DNS_DATAGRAM_MAX;
    *out = (struct dns_edns){
        .there = true,
        .version = fields[5],
        .proofs = (bytes_get_number(fields + 6, 2) & FLAG_DO) != 0,
        .room = room < DNS_PLAIN_MAX ? DNS_PLAIN_MAX : room};
    return OK;
}

/* The one at `at`, which is moved behind it. */
static enum error read_record(struct bytes in, size_t *at, bool additional,
                              struct dns_question *out)
{
    size_t len = record_name_length(in, *at);
    const uint8_t *fields = in.p + *at + len;
    size_t data;

    if (len == 0 || in.len - *at < len + ROOT_HEAD - 1)
        return ERR_SYNTAX;
    data = (size_t)bytes_get_number(fields + 8, 2);
    if (in.len - *at - len - (ROOT_HEAD - 1) < data)
        return ERR_SYNTAX;
    *at += len + ROOT_HEAD - 1 + data;
    if (!additional || bytes_get_number(fields, 2) != TYPE_OPT)
        return OK;
    return len == 1 ? read_edns(fields, &out->edns) : ERR_SYNTAX;
}

/* What is behind the question. */
static enum error read_records(struct bytes in, struct dns_question *out)
{
    size_t before = (size_t)bytes_get_number(in.p + 6, 2) +
                    (size_t)bytes_get_number(in.p + 8, 2);
    size_t count = before + (size_t)bytes_get_number(in.p + 10, 2);
    size_t at = HEAD + out->wire_len;
    enum error e = OK;

    for (size_t i = 0; i < count && e == OK; i++)
        e = read_record(in, &at, i >= before, out);
    return e;
}

enum error dns_question_read(struct bytes in, struct dns_question *out)
{
    enum error e;
    uint16_t flags;

    if (in.len < HEAD)
        return ERR_MISSING;
    flags = (uint16_t)bytes_get_number(in.p + 2, 2);
    if ((flags & FLAG_QR) != 0)
        return ERR_UNKNOWN_KIND;
    *out = (struct dns_question){.id = (uint16_t)bytes_get_number(in.p, 2),
                                 .opcode = (uint8_t)(flags >> 11 & 15),
                                 .recursion = (flags & FLAG_RD) != 0,
                                 .unchecked = (flags & FLAG_CD) != 0,
                                 .edns = {.room = DNS_PLAIN_MAX}};
    if (bytes_get_number(in.p + 4, 2) != 1)
        return ERR_SYNTAX;
    e = read_question(bytes_of(in.p + HEAD, in.len - HEAD), out);
    if (e == OK)
        e = read_records(in, out);
    if (e != OK) /* nothing is certain of it */
        out->edns = (struct dns_edns){.room = DNS_PLAIN_MAX};
    return e;
}

/* ---- Replies ------------------------------------------------------------ */

struct writer {
    uint8_t *out;
    size_t len, room;
    unsigned records;
};

static void add_record(struct writer *w, uint16_t type, uint32_t ttl,
                       struct bytes data)
{
    uint8_t *at = w->out + w->len;

    if (w->len + RECORD_HEAD + data.len > w->room)
        return;
    bytes_put_number(at, 2, POINTER);
    bytes_put_number(at + 2, 2, type);
    bytes_put_number(at + 4, 2, DNS_CLASS_IN);
    bytes_put_number(at + 6, 4, ttl);
    bytes_put_number(at + 10, 2, data.len);
    memcpy(at + RECORD_HEAD, data.p, data.len);
    w->len += RECORD_HEAD + data.len;
    w->records++;
}

static void add_addresses(struct writer *w, const struct dns_question *q,
                          const struct dns_reply *r)
{
    enum family family = q->type == DNS_TYPE_A ? FAMILY_IPV4 : FAMILY_IPV6;

    for (size_t i = 0; i < r->count; i++) {
        const struct endpoint *ep = &r->addrs[i];

        if (ep->family == family)
            add_record(w, q->type, r->ttl,
                       bytes_of(ep->addr, endpoint_addr_len(ep)));
    }
}

static void add_records(struct writer *w, const struct dns_question *q,
                        const struct dns_reply *r)
{
    uint8_t name[NAME_MAX];

    if (q->type == DNS_TYPE_A || q->type == DNS_TYPE_AAAA)
        add_addresses(w, q, r);
    else if (q->type == DNS_TYPE_PTR && r->name.len > 0)
        add_record(w, q->type, r->ttl,
                   bytes_of(name, write_name(r->name, name)));
}

/* A record of the root, of which there is one. */
static void add_root(struct writer *w, uint16_t type, uint16_t class,
                     uint32_t ttl, struct bytes data)
{
    uint8_t *at = w->out + w->len;

    at[0] = 0;
    bytes_put_number(at + 1, 2, type);
    bytes_put_number(at + 3, 2, class);
    bytes_put_number(at + 5, 4, ttl);
    bytes_put_number(at + 9, 2, data.len);
    if (data.len > 0)
        memcpy(at + ROOT_HEAD, data.p, data.len);
    w->len += ROOT_HEAD + data.len;
}

static void add_soa(struct writer *w, uint32_t ttl)
{
    uint8_t data[SOA_SIZE] = {0};

    bytes_put_number(data + 2, 4, 1);      /* serial; then, for who copies */
    bytes_put_number(data + 6, 4, 3600);   /* zones: when to look again, */
    bytes_put_number(data + 10, 4, 600);   /* to try again, */
    bytes_put_number(data + 14, 4, 86400); /* to give up */
    bytes_put_number(data + 18, 4, ttl);
    add_root(w, TYPE_SOA, DNS_CLASS_IN, ttl, bytes_of(data, sizeof(data)));
}

static void add_edns(struct writer *w, const struct dns_question *q,
                     enum dns_rcode code)
{
    uint32_t ttl = (uint32_t)code >> 4 << 24 | (q->edns.proofs ? FLAG_DO : 0);

    add_root(w, TYPE_OPT, DNS_DATAGRAM_MAX, ttl, bytes_of(NULL, 0));
}

static bool is_nothing(const struct dns_reply *r, const struct writer *w)
{
    return r->code == DNS_RCODE_NO_NAME ||
           (r->code == DNS_RCODE_OK && w->records == 0);
}

size_t dns_reply_write(const struct dns_question *q, const struct dns_reply *r,
                       uint8_t out[DNS_DATAGRAM_MAX])
{
    struct writer w = {.out = out, .len = HEAD + q->wire_len};
    unsigned flags = FLAG_QR | FLAG_RA | (unsigned)q->opcode << 11 |
                     (q->recursion ? FLAG_RD : 0) |
                     (q->unchecked ? FLAG_CD : 0) | ((unsigned)r->code & 15);
    bool nothing;

    w.room = (size_t)q->edns.room - (q->edns.there ? ROOT_HEAD : 0u);
    memset(out, 0, HEAD);
    memcpy(out + HEAD, q->wire, q->wire_len);
    if (r->code == DNS_RCODE_OK && q->wire_len > 0)
        add_records(&w, q, r);
    nothing = q->wire_len > 0 && is_nothing(r, &w);
    if (nothing)
        add_soa(&w, r->ttl);
    if (q->edns.there)
        add_edns(&w, q, r->code);
    bytes_put_number(out, 2, q->id);
    bytes_put_number(out + 2, 2, flags);
    bytes_put_number(out + 4, 2, q->wire_len > 0);
    bytes_put_number(out + 6, 2, w.records);
    bytes_put_number(out + 8, 2, nothing);
    bytes_put_number(out + 10, 2, q->edns.there);
    return w.len;
}

/* ---- Names that are known ----------------------------------------------- */

#define LOCALHOST "localhost"

static bool ends_in(const char *name, const char *suffix, size_t *rest)
{
    size_t len = strlen(name), end = strlen(suffix);

    if (len <= end || strcmp(name + len - end, suffix) != 0)
        return false;
    *rest = len - end;
    return true;
}

const struct endpoint dns_localhost[FAMILIES] = {
    {.family = FAMILY_IPV4, .addr = {127, 0, 0, 1}},
    {.family = FAMILY_IPV6, .addr = {[15] = 1}}};

bool dns_name_is_localhost(const char *name)
{
    size_t rest;

    return strcmp(name, LOCALHOST) == 0 || ends_in(name, "." LOCALHOST, &rest);
}

bool dns_question_is_of_root(const struct dns_question *q)
{
    return q->wire_len > 0 && q->wire[0] == 0;
}

/* ---- Names of addresses ------------------------------------------------- */

/* "4", "40", "104", and not "04"; moves behind it. */
static bool read_byte(const char **at, uint8_t *out)
{
    unsigned value = 0, digits = 0;

    for (; **at >= '0' && **at <= '9' && digits < 3; digits++, ++*at)
        value = 10 * value + (unsigned)(**at - '0');
    if (digits == 0 || value > 255 ||
        ((*at)[-(int)digits] == '0' && digits > 1))
        return false;
    *out = (uint8_t)value;
    return **at == '.';
}

static bool read_ipv4(const char *name, size_t rest, struct endpoint *out)
{
    const char *at = name;

    *out = (struct endpoint){.family = FAMILY_IPV4};
    for (int i = 3; i >= 0; i--) {
        if (!read_byte(&at, &out->addr[i]))
            return false;
        at += i > 0;
    }
    return at == name + rest;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_ipv6(const char *name, size_t rest, struct endpoint *out)
{
    *out = (struct endpoint){.family = FAMILY_IPV6};
    if (rest != 63)
        return false;
    for (unsigned i = 0; i < 32; i++) {
        int value = nibble(name[2 * i]);

        if (value < 0 || name[2 * i + 1] != '.')
            return false;
        out->addr[15 - i / 2] |= (uint8_t)(value << 4 * (i % 2));
    }
    return true;
}

bool dns_reverse_read(const char *name, struct endpoint *out)
{
    size_t rest;

    if (ends_in(name, IPV4_SUFFIX, &rest))
        return read_ipv4(name, rest, out);
    return ends_in(name, IPV6_SUFFIX, &rest) && read_ipv6(name, rest, out);
}
