/* SPDX-License-Identifier: MIT
 *
 * One line as text, both ways. take_apart finds address, bits and ports by the
 * separators, and each is read by itself; what is wrong is quoted in `why`.
 */
#include "tunnel/exit/policy.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGET_MAX 64 /* "[" the longest address "]/128:65535-65535" fits */
#define QUOTED_MAX 48 /* of the wrong text, in a message about it */

/* The parts of "ADDR/BITS:PORTS"; the last two may be missing. */
struct target {
    struct bytes addr, bits, ports;
    bool has_bits, has_ports;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct bytes trim(struct bytes b)
{
    while (b.len > 0 && is_blank(b.p[0]))
        b = bytes_of(b.p + 1, b.len - 1);
    while (b.len > 0 && is_blank(b.p[b.len - 1]))
        b.len--;
    return b;
}

/* What stands before the first `separator`, and what behind it. False when
 * there is none; `head` is the whole then. */
static bool split(struct bytes b, int separator, struct bytes *head,
                  struct bytes *tail)
{
    const uint8_t *at = b.len > 0 ? memchr(b.p, separator, b.len) : NULL;

    if (at == NULL) {
        *head = b;
        *tail = bytes_of(NULL, 0);
        return false;
    }
    *head = bytes_of(b.p, (size_t)(at - b.p));
    *tail = bytes_of(at + 1, b.len - head->len - 1);
    return true;
}

/* "wrong text": what would be right. */
static enum error refuse(char why[POLICY_ERROR_SIZE], struct bytes wrong,
                         const char *right)
{
    int shown = wrong.len > QUOTED_MAX ? QUOTED_MAX : (int)wrong.len;

    snprintf(why, POLICY_ERROR_SIZE, "\"%.*s%s\": %s", shown,
             wrong.len > 0 ? (const char *)wrong.p : "",
             wrong.len > QUOTED_MAX ? "..." : "", right);
    return ERR_SYNTAX;
}

/* A decimal number of at most `max`; false for anything else. */
static bool read_number(struct bytes b, unsigned max, unsigned *out)
{
    unsigned value = 0;

    if (b.len == 0 || b.len > 5)
        return false;
    for (size_t i = 0; i < b.len; i++) {
        if (b.p[i] < '0' || b.p[i] > '9')
            return false;
        value = 10 * value + (unsigned)(b.p[i] - '0');
    }
    if (value > max)
        return false;
    *out = value;
    return true;
}

static enum error parse_ports(struct bytes text, struct policy_line *line,
                              char *why)
{
    static const char right[] = "a port is * or 1 to 65535, a range FIRST-LAST";
    struct bytes first_text, last_text;
    unsigned first, last;
    bool range;

    if (bytes_is_text(text, "*"))
        return OK;
    range = split(text, '-', &first_text, &last_text);
    if (!read_number(first_text, UINT16_MAX, &first) || first == 0)
        return refuse(why, text, right);
    last = first;
    if (range && !read_number(last_text, UINT16_MAX, &last))
        return refuse(why, text, right);
    if (last < first)
        return refuse(why, text, "the first port is above the last");
    line->first = (uint16_t)first;
    line->last = (uint16_t)last;
    return OK;
}

/* A bracket or a slash tells address and port apart. Without them, one colon
 * is that of a port, and several are those of an IPv6 address. */
static struct target take_apart(struct bytes text)
{
    struct target t = {0};
    struct bytes rest, tail;

    if (split(text, '/', &t.addr, &rest)) {
        t.has_bits = true;
        t.has_ports = split(rest, ':', &t.bits, &t.ports);
        return t;
    }
    if (text.len > 0 && text.p[0] == '[' && split(text, ']', &t.addr, &rest)) {
        t.addr.len++;
        t.has_ports = split(rest, ':', &tail, &t.ports);
        if (rest.len > 0 && (!t.has_ports || tail.len > 0))
            t.addr = text; /* junk behind the bracket: no address */
        return t;
    }
    t.has_ports = split(text, ':', &t.addr, &t.ports);
    if (t.has_ports && memchr(t.ports.p, ':', t.ports.len) != NULL) {
        t.has_ports = false;
        t.addr = text;
    }
    return t;
}

static enum error parse_bits(const struct target *t, struct policy_line *line,
                             char *why)
{
    unsigned most = 8 * (unsigned)endpoint_addr_len(&line->net);
    struct endpoint given = line->net;
    char text[ENDPOINT_TEXT_SIZE];
    char right[POLICY_ERROR_SIZE / 2];
    unsigned bits = most;

    if (t->has_bits && !read_number(t->bits, most, &bits)) {
        snprintf(right, sizeof(right), "a prefix length is 0 to %u here", most);
        return refuse(why, t->bits, right);
    }
    line->bits = (uint8_t)bits;
    line->net = policy_network_of(&line->net, bits).net;
    if (!endpoint_same_addr(&given, &line->net)) {
        snprintf(right, sizeof(right), "the network of /%u is %s", bits,
                 endpoint_print_addr(&line->net, text));
        return refuse(why, t->addr, right);
    }
    return OK;
}

static enum error parse_net(const struct target *t, struct policy_line *line,
                            char *why)
{
    char text[TARGET_MAX];

    if (bytes_is_text(t->addr, "*")) {
        if (t->has_bits)
            return refuse(why, t->bits, "* is any address and has no bits");
        line->any = true;
        return OK;
    }
    if (t->addr.len > 0 && t->addr.len < sizeof(text)) {
        memcpy(text, t->addr.p, t->addr.len);
        text[t->addr.len] = '\0';
        if (strlen(text) == t->addr.len &&
            endpoint_parse_addr(text, &line->net) == OK)
            return parse_bits(t, line, why);
    }
    return refuse(why, t->addr,
                  "not an address: 192.0.2.0/24, [2001:db8::]/32 or *");
}

enum error policy_parse_line(struct bytes text, struct policy_line *out,
                             char why[POLICY_ERROR_SIZE])
{
    struct policy_line line = {.first = 1, .last = UINT16_MAX};
    struct bytes verb, rest;
    struct target t;
    enum error e;

    text = trim(text);
    if (text.len == 0)
        return refuse(why, text, "a line is accept or reject and an address");
    for (verb = text; verb.len > 0 && !is_blank(*verb.p); verb.p++)
        verb.len--;
    rest = trim(verb);
    verb = bytes_of(text.p, text.len - verb.len);
    line.accept = bytes_is_text(verb, "accept");
    if (!line.accept && !bytes_is_text(verb, "reject"))
        return refuse(why, verb, "a line begins with accept or reject");
    t = take_apart(rest);
    e = parse_net(&t, &line, why);
    if (e == OK && t.has_ports)
        e = parse_ports(t.ports, &line, why);
    if (e == OK)
        *out = line;
    return e;
}

const char *policy_print_line(const struct policy_line *line,
                              char text[POLICY_LINE_SIZE])
{
    bool v6 = !line->any && line->net.family == FAMILY_IPV6;
    char net[ENDPOINT_TEXT_SIZE + 8] = "*";
    char addr[ENDPOINT_TEXT_SIZE];
    char ports[16] = "";

    if (!line->any)
        snprintf(net, sizeof(net), "%s%.46s%s/%u", v6 ? "[" : "",
                 endpoint_print_addr(&line->net, addr), v6 ? "]" : "",
                 line->bits);
    if (line->first == line->last)
        snprintf(ports, sizeof(ports), ":%u", line->first);
    else if (line->first > 1 || line->last < UINT16_MAX)
        snprintf(ports, sizeof(ports), ":%u-%u", line->first, line->last);
    snprintf(text, POLICY_LINE_SIZE, "%s %.56s%s",
             line->accept ? "accept" : "reject", net, ports);
    return text;
}
