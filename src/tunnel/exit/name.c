/* SPDX-License-Identifier: MIT
 *
 * A text is made uniform first (normalize). Then it is an address, or a name
 * whose labels are well-formed (has_labels) and whose last one is neither a
 * number nor kept from the DNS (is_resolved).
 */
#include "tunnel/exit/name.h"

#include <string.h>

#define LABEL_MAX 63

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

static bool is_label(const char *p, size_t len)
{
    if (len == 0 || len > LABEL_MAX || p[0] == '-' || p[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_label_char(p[i]))
            return false;
    }
    return true;
}

/* Decimal, octal or hexadecimal, as inet_aton reads them. */
static bool is_number(const char *p, size_t len)
{
    if (len >= 2 && p[0] == '0' && p[1] == 'x')
        return strspn(p + 2, "0123456789abcdef") == len - 2;
    return strspn(p, "0123456789") == len;
}

static bool has_labels(const struct name *name)
{
    const char *p = name->text;

    for (;;) {
        size_t len = strcspn(p, ".");

        if (!is_label(p, len))
            return false;
        if (p[len] == '\0')
            return !is_number(p, len);
        p += len + 1;
    }
}

static bool is_resolved(const struct name *name)
{
    static const char *const special[] = {"localhost", "local", "onion",
                                          "warren", "invalid"};
    const char *dot = strrchr(name->text, '.');
    const char *top = dot == NULL ? name->text : dot + 1;

    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        if (strcmp(top, special[i]) == 0)
            return false;
    }
    return true;
}

/* In lower case, without a dot at the end. False when it is too long or has a
 * NUL in it. */
static bool normalize(struct bytes text, struct name *out)
{
    size_t len = text.len;

    if (len > 1 && text.p[len - 1] == '.')
        len--;
    if (len == 0 || len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = (char)text.p[i];

        if (c == '\0')
            return false;
        out->text[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    out->text[len] = '\0';
    out->len = (uint8_t)len;
    return true;
}

enum error name_parse(struct bytes text, struct name *name, struct endpoint *ep,
                      bool *is_address)
{
    struct name n;

    if (!normalize(text, &n))
        return ERR_SYNTAX;
    if (endpoint_parse_addr(n.text, ep) == OK) {
        *is_address = true;
        return OK;
    }
    if (!has_labels(&n))
        return ERR_SYNTAX;
    if (!is_resolved(&n))
        return ERR_UNSUPPORTED;
    *name = n;
    *is_address = false;
    return OK;
}
