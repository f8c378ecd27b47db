/* SPDX-License-Identifier: MIT
 *
 * The format has no nesting: a family is two comment lines, then its samples.
 * Tables of rows (metrics_rows) say which member of a struct is which sample;
 * two rows of one name that follow each other are one family.
 */
#include "node/monitor/metrics.h"

#include "base/error.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static bool is_name(const char *s)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

    return s[0] != '\0' && !(s[0] >= '0' && s[0] <= '9') &&
           strspn(s, allowed) == strlen(s);
}

static bool ends_in_total(const char *name)
{
    size_t len = strlen(name);

    return len > 6 && strcmp(name + len - 6, "_total") == 0;
}

void metrics_init(struct metrics *m, struct text *out)
{
    *m = (struct metrics){.out = out};
}

void metrics_family(struct metrics *m, const char *name, enum metric_type type,
                    const char *help)
{
    assert(is_name(name));
    assert((type == METRIC_COUNTER) == ends_in_total(name));
    assert(strpbrk(help, "\\\n") == NULL);
    m->name = name;
    text_addf(m->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
              type == METRIC_COUNTER ? "counter" : "gauge");
}

/* A value may be any UTF-8; three characters are escaped. Other bytes would
 * make the whole page unreadable to a strict reader. */
static void add_label_value(struct text *out, const char *value)
{
    for (const char *p = value; *p != '\0';) {
        size_t plain = strcspn(p, "\\\"\n");

        text_add_printable(out, bytes_of(p, plain));
        p += plain;
        if (*p != '\0')
            text_add(out, *p == '\n' ? "\\n" : *p == '\\' ? "\\\\" : "\\\"");
        p += *p != '\0';
    }
}

static void add_label(struct metrics *m, bool first,
                      const struct metric_label *label)
{
    assert(is_name(label->name));
    text_addf(m->out, "%c%s=\"", first ? '{' : ',', label->name);
    add_label_value(m->out, label->value);
    text_add(m->out, "\"");
}

/* The name and the labels of one sample, up to the blank before its value. */
static void begin_sample(struct metrics *m, const struct metric_label *labels,
                         size_t n)
{
    assert(m->name != NULL);
    text_add(m->out, m->name);
    for (size_t i = 0; i < n; i++)
        add_label(m, i == 0, &labels[i]);
    if (m->also != NULL)
        add_label(m, n == 0, m->also);
    text_add(m->out, n == 0 && m->also == NULL ? " " : "} ");
}

void metrics_sample(struct metrics *m, const struct metric_label *labels,
                    size_t n, uint64_t value)
{
    begin_sample(m, labels, n);
    text_addf(m->out, "%" PRIu64 "\n", value);
}

void metrics_labelled(struct metrics *m, const char *label, const char *value,
                      uint64_t sample)
{
    struct metric_label labels[] = {{label, value}};

    metrics_sample(m, labels, 1, sample);
}

void metrics_double(struct metrics *m, double value)
{
    begin_sample(m, NULL, 0);
    if (isnan(value))
        text_add(m->out, "NaN\n");
    else if (isinf(value))
        text_add(m->out, value > 0 ? "+Inf\n" : "-Inf\n");
    else
        text_addf(m->out, "%.17g\n", value);
}

void metrics_counter(struct metrics *m, const char *name, const char *help,
                     uint64_t value)
{
    metrics_family(m, name, METRIC_COUNTER, help);
    metrics_sample(m, NULL, 0, value);
}

void metrics_gauge(struct metrics *m, const char *name, const char *help,
                   uint64_t value)
{
    metrics_family(m, name, METRIC_GAUGE, help);
    metrics_sample(m, NULL, 0, value);
}

const char *metrics_error_label(int e)
{
    return error_name((enum error)e);
}

static uint64_t number_at(const void *p, size_t size)
{
    bool b;
    uint32_t u32;
    uint64_t u64;

    switch (size) {
    case sizeof(b):
        memcpy(&b, p, sizeof(b));
        return b;
    case sizeof(u32):
        memcpy(&u32, p, sizeof(u32));
        return u32;
    default:
        assert(size == sizeof(u64));
        memcpy(&u64, p, sizeof(u64));
        return u64;
    }
}

static void add_row(struct metrics *m, const struct metric_row *row,
                    const uint8_t *at)
{
    struct metric_label label = {row->label, row->value};

    if (row->values == NULL) {
        metrics_sample(m, &label, row->label != NULL, number_at(at, row->size));
        return;
    }
    for (int i = row->first; i < row->count; i++)
        metrics_labelled(m, row->label, row->values(i),
                         number_at(at + (size_t)i * row->size, row->size));
}

static void begin_family(struct metrics *m, const struct metric_row *row)
{
    if (m->name == NULL || strcmp(row->name, m->name) != 0)
        metrics_family(m, row->name,
                       ends_in_total(row->name) ? METRIC_COUNTER : METRIC_GAUGE,
                       row->help);
}

void metrics_rows(struct metrics *m, const struct metric_row *rows,
                  size_t count, const void *values)
{
    for (size_t i = 0; i < count; i++) {
        begin_family(m, &rows[i]);
        add_row(m, &rows[i], (const uint8_t *)values + rows[i].offset);
    }
}

void metrics_rows_each(struct metrics *m, const struct metric_row *rows,
                       size_t count, const void *const *values,
                       const struct metric_label *const *also, size_t n)
{
    for (size_t i = 0; i < count; i++) {
        begin_family(m, &rows[i]);
        for (size_t v = 0; v < n; v++) {
            m->also = also[v];
            add_row(m, &rows[i], (const uint8_t *)values[v] + rows[i].offset);
        }
        m->also = NULL;
    }
}
