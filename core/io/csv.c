/* CSV in one pass: a field's bytes go straight to the end of its column's text, and to its column's numbers as long as
   all of its fields are numbers. The text of a long column of numbers is let go: such a column takes four bytes a row.
   An empty line is skipped, save where there is one column: there it is a missing value. */
#include "io/csv.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { CHUNK = 1 << 16, MOST_COLUMNS = 1 << 18, KEPT_TEXT = 1 << 20 /* bytes, of a column of numbers */ };
enum { STOPS_PLAIN = 1, STOPS_QUOTED = 2 }; /* a byte that ends a run of a field's bytes */

typedef enum {
    RECORD,      /* before the first byte of a record */
    FIELD,       /* before the first byte of a field */
    PLAIN,       /* in a field without quotes */
    QUOTED,      /* within quotes */
    AFTER_QUOTE, /* behind a quote that ended them, or was the first of a doubled one */
    AFTER_CR     /* a line feed must follow */
} state;

typedef struct {
    mtl_csv *csv;
    mtl_context *ctx;
    char separator;
    unsigned char stops[256];
    state state;
    bool header;
    int64_t line, record_line, quote_line;
    int64_t row_line; /* of the last row */
    int64_t rows;
    int wanted;       /* -1: everything; else only this column's text, of a file that was read before */
    int column;       /* of the current field */
    mtl_text *field;  /* where its bytes go, */
    size_t start;     /* and where they began there */
    mtl_text scratch; /* for fields whose text is not kept */
} parser;

#define CHANGED "%s: it changed after it was read"
#define CONVERT "; if it is Latin-1, this converts it: iconv -f WINDOWS-1252 -t UTF-8 FILE.csv > NEW.csv"

static mtl_status fail(parser *p, int64_t line, const char *what)
{
    return mtl_fail(p->ctx, MTL_ERR_FORMAT, "%s:%" PRId64 ": %s", p->csv->path, line, what);
}

static void trim(const char **field, size_t *n)
{
    while (*n > 0 && (**field == ' ' || **field == '\t')) {
        ++*field;
        --*n;
    }
    while (*n > 0 && ((*field)[*n - 1] == ' ' || (*field)[*n - 1] == '\t'))
        --*n;
}

bool mtl_csv_missing(const mtl_csv *csv, const char *field, size_t n)
{
    trim(&field, &n);
    return n == 0 || (csv->missing && strlen(csv->missing) == n && memcmp(csv->missing, field, n) == 0);
}

static long double power_of_10(int64_t exponent)
{
    long double result = 1, base = 10;
    for (int64_t e = exponent < 0 ? -exponent : exponent; e; e >>= 1, base *= base) {
        if (e & 1)
            result *= base;
    }
    return result;
}

bool mtl_csv_number(const char *field, size_t n, char decimal, double *value)
{
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    trim(&field, &n);
    const char *s = field, *end = field + n;
    uint64_t digits = 0;
    int64_t exponent = 0; /* no field is so long that it leaves this range */
    bool negative = s < end && *s == '-', point = false, any = false;
    if (s < end && (*s == '-' || *s == '+'))
        s++;
    for (; s < end; s++) {
        if (*s == decimal && !point) {
            point = true;
            continue;
        }
        if (*s < '0' || *s > '9')
            break;
        any = true;
        if (digits < UINT64_MAX / 10 - 1) {
            digits = digits * 10 + (uint64_t)(*s - '0');
            exponent -= point;
        } else { /* past 19 digits none changes the float32 */
            exponent += !point;
        }
    }
    if (!any)
        return false;
    if (s < end && (*s == 'e' || *s == 'E')) {
        int64_t written = 0;
        bool down = ++s < end && *s == '-';
        if (s < end && (*s == '-' || *s == '+'))
            s++;
        if (s == end)
            return false;
        for (; s < end && *s >= '0' && *s <= '9'; s++)
            written = written < INT64_MAX / 20 ? written * 10 + (*s - '0') : written;
        exponent += down ? -written : written;
    }
    if (s != end)
        return false;
    double v;
    if (digits == 0 || exponent < -400)
        v = 0;
    else if (exponent > 60)
        return false;
    else if (digits <= UINT64_C(1) << 53 && exponent >= -22 && exponent <= 22)
        v = exponent < 0 ? (double)digits / exact[-exponent] : (double)digits * exact[exponent];
    else if (exponent < 0)
        v = (double)((long double)digits / power_of_10(exponent));
    else
        v = (double)((long double)digits * power_of_10(exponent));
    if (isinf((float)v))
        return false;
    *value = negative ? -v : v;
    return true;
}

/* ---- fields and records ---- */

static void begin_field(parser *p)
{
    mtl_csv_column *c = p->header ? NULL : &p->csv->columns[p->column];
    bool kept = p->wanted < 0 ? !c || !c->lost : c && p->column == p->wanted;
    p->field = !kept ? &p->scratch : c ? &c->text : &p->csv->names;
    if (!kept)
        p->scratch.used = 0;
    p->start = p->field->used;
    p->state = FIELD;
}

/* The column is no column of numbers: the first field that is none. */
static mtl_status leave_numbers(parser *p, mtl_csv_column *c, const char *text, size_t n)
{
    free(c->numbers);
    c->numbers = NULL;
    c->bad_line = p->record_line;
    c->bad_large = strspn(text, p->csv->decimal == ',' ? " \t+-,0123456789eE" : " \t+-.0123456789eE") == n;
    c->bad = strndup(text, MTL_SHOWN);
    return c->bad ? MTL_OK : mtl_fail(p->ctx, MTL_ERR_MEMORY, "%s: no host memory left", p->csv->path);
}

static mtl_status end_field(parser *p)
{
    mtl_csv *csv = p->csv;
    char shown[MTL_SHOWN];
    MTL_TRY(mtl_text_add(p->ctx, p->field, "", 1));
    const char *text = p->field->data + p->start;
    size_t n = p->field->used - p->start - 1;
    if (p->header) {
        if (p->column == MOST_COLUMNS)
            return mtl_fail(p->ctx, MTL_ERR_FORMAT, "%s:%" PRId64 ": more than %d columns", csv->path, p->line,
                            MOST_COLUMNS);
        if (!mtl_utf8(text, n))
            return fail(p, p->line, "the header is not UTF-8 text" CONVERT);
    } else if (p->wanted < 0 || p->wanted == p->column) {
        mtl_csv_column *c = &csv->columns[p->column];
        double value = NAN;
        bool number = c->numbers && (mtl_csv_number(text, n, csv->decimal, &value) || mtl_csv_missing(csv, text, n));
        if (!number && !mtl_utf8(text, n))
            return mtl_fail(p->ctx, MTL_ERR_FORMAT, "%s:%" PRId64 ": column '%s' is not UTF-8 text" CONVERT, csv->path,
                            p->line, mtl_shown(c->name, shown));
        if (c->numbers && p->wanted < 0) {
            if (!number)
                MTL_TRY(leave_numbers(p, c, text, n));
            else /* "-999" is a number, too */
                c->numbers[p->rows] = (float)(csv->missing && mtl_csv_missing(csv, text, n) ? NAN : value);
        }
    }
    p->column++;
    return MTL_OK;
}

static mtl_status make_columns(parser *p)
{
    mtl_csv *csv = p->csv;
    char shown[MTL_SHOWN];
    const char *name = csv->names.data;
    const char **sorted = malloc((size_t)p->column * sizeof *sorted);
    csv->columns = calloc((size_t)p->column, sizeof *csv->columns);
    if (!sorted || !csv->columns) {
        free(sorted);
        return mtl_fail(p->ctx, MTL_ERR_MEMORY, "%s: no host memory left", csv->path);
    }
    csv->n_columns = p->column;
    for (int i = 0; i < p->column; i++, name += strlen(name) + 1)
        csv->columns[i].name = sorted[i] = name;
    const char *twice = csv->names_only ? NULL : mtl_repeated(sorted, (size_t)p->column);
    free(sorted);
    if (twice)
        return mtl_fail(p->ctx, MTL_ERR_FORMAT, "%s:%" PRId64 ": two columns are named '%s'", csv->path, p->record_line,
                        mtl_shown(twice, shown));
    p->header = false;
    return MTL_OK;
}

/* Memory for `room` rows of the columns that are numbers still; long texts of theirs go. */
static mtl_status set_room(mtl_csv *csv, int64_t room)
{
    for (int i = 0; i < csv->n_columns; i++) {
        mtl_csv_column *c = &csv->columns[i];
        if (csv->room > 0 && !c->numbers)
            continue;
        float *numbers = realloc(c->numbers, (size_t)(room ? room : 1) * sizeof *numbers);
        if (!numbers)
            return mtl_fail(csv->ctx, MTL_ERR_MEMORY, "%s: no host memory left", csv->path);
        c->numbers = numbers;
        if (c->text.used > KEPT_TEXT) {
            free(c->text.data);
            c->text = (mtl_text){0};
            c->lost = true;
        }
    }
    csv->room = room;
    return MTL_OK;
}

static mtl_status note_line(parser *p)
{
    mtl_csv_jump jump = {p->rows, p->record_line};
    bool next = p->rows > 0 && p->record_line == p->row_line + 1;
    p->row_line = p->record_line;
    return next ? MTL_OK : mtl_text_add(p->ctx, &p->csv->jumps, (const char *)&jump, sizeof jump);
}

static mtl_status end_record(parser *p)
{
    mtl_csv *csv = p->csv;
    p->state = RECORD;
    if (p->column == 1 && p->field->used == p->start + 1 && (p->header || csv->n_columns > 1)) {
        p->field->used = p->start; /* an empty line */
    } else if (p->header && p->wanted >= 0) {
        p->header = false;
        if (p->column != csv->n_columns)
            return mtl_fail(p->ctx, MTL_ERR_FORMAT, CHANGED, csv->path);
    } else if (p->header) {
        MTL_TRY(make_columns(p));
        MTL_TRY(set_room(csv, 16));
    } else if (p->column < csv->n_columns) {
        return mtl_fail(p->ctx, MTL_ERR_FORMAT, "%s:%" PRId64 ": %d field%s where the header has %d", csv->path,
                        p->record_line, p->column, p->column > 1 ? "s" : "", csv->n_columns);
    } else {
        if (p->wanted < 0)
            MTL_TRY(note_line(p));
        if (++p->rows == csv->room && p->wanted < 0)
            MTL_TRY(set_room(csv, 2 * csv->room));
    }
    p->column = 0;
    return MTL_OK;
}

/* A second field where the header has one: often the header is split by another separator than this one. */
static mtl_status one_column(const parser *p)
{
    const char *name = p->csv->columns[0].name;
    char other = name[strcspn(name, ",;\t|")];
    char shown[3] = {other == '\t' ? '\\' : other, other == '\t' ? 't' : '\0', '\0'};
    return mtl_fail(p->ctx, MTL_ERR_FORMAT, "%s:%" PRId64 ": several fields, where the header has one column%s%s%s",
                    p->csv->path, p->record_line, other ? "; is the separator '" : "", shown, other ? "'?" : "");
}

/* `c` ends the current field. */
static mtl_status delimit(parser *p, char c)
{
    if (c == '\r') {
        p->state = AFTER_CR;
        return MTL_OK;
    }
    MTL_TRY(end_field(p));
    if (c == '\n') {
        p->line++;
        return end_record(p);
    }
    if (!p->header && p->csv->n_columns == 1)
        return one_column(p);
    if (!p->header && p->column == p->csv->n_columns)
        return mtl_fail(p->ctx, MTL_ERR_FORMAT, "%s:%" PRId64 ": more than %d fields, where the header has %d",
                        p->csv->path, p->record_line, p->column, p->column);
    begin_field(p);
    return MTL_OK;
}

/* Takes the bytes of a field up to one that `stop` stops at; that one's place, or `end`. */
static mtl_status take_run(parser *p, const char **s, const char *end, int stop)
{
    const char *at = *s, *from = *s;
    while (at < end && !(p->stops[(unsigned char)*at] & stop))
        at++;
    *s = at;
    return mtl_text_add(p->ctx, p->field, from, (size_t)(at - from));
}

static bool all_read(const parser *p)
{
    return p->csv->names_only && !p->header;
}

static mtl_status take(parser *p, const char *s, const char *end)
{
    while (s < end && !all_read(p)) {
        switch (p->state) {
        case RECORD:
            p->record_line = p->line;
            begin_field(p);
            break;
        case FIELD:
            p->state = *s == '"' ? QUOTED : PLAIN;
            p->quote_line = p->line;
            s += *s == '"';
            break;
        case PLAIN:
            MTL_TRY(take_run(p, &s, end, STOPS_PLAIN));
            if (s == end)
                break;
            if (*s == '\0')
                return fail(p, p->line, "a NUL byte, which no text has");
            if (*s == '"')
                return fail(p, p->line,
                            "a quote within a field; quote the whole field and double the quote in it, or name the "
                            "separator if it is another");
            MTL_TRY(delimit(p, *s++));
            break;
        case QUOTED:
            MTL_TRY(take_run(p, &s, end, STOPS_QUOTED));
            if (s == end)
                break;
            if (*s == '\0')
                return fail(p, p->line, "a NUL byte, which no text has");
            if (*s == '\n') {
                p->line++;
                MTL_TRY(mtl_text_add(p->ctx, p->field, "\n", 1));
            } else {
                p->state = AFTER_QUOTE;
            }
            s++;
            break;
        case AFTER_QUOTE:
            if (*s == '"') {
                MTL_TRY(mtl_text_add(p->ctx, p->field, "\"", 1));
                p->state = QUOTED;
            } else if (*s == p->separator || *s == '\n' || *s == '\r') {
                MTL_TRY(delimit(p, *s));
            } else {
                return fail(p, p->line, "bytes behind a closing quote; double the quote if it belongs to the field");
            }
            s++;
            break;
        case AFTER_CR:
            if (*s != '\n')
                return fail(p, p->line, "a carriage return without a line feed");
            MTL_TRY(delimit(p, *s++));
        }
    }
    return MTL_OK;
}

static mtl_status finish(parser *p)
{
    mtl_csv *csv = p->csv;
    if (p->state == QUOTED)
        return fail(p, p->quote_line, "the quote that opens here is never closed");
    if (p->state != RECORD) { /* the last line need not end */
        MTL_TRY(end_field(p));
        MTL_TRY(end_record(p));
    }
    if (p->header)
        return mtl_fail(p->ctx, MTL_ERR_FORMAT, "%s: empty, where a header line should be", csv->path);
    if (p->wanted >= 0)
        return p->rows == csv->rows ? MTL_OK : mtl_fail(p->ctx, MTL_ERR_FORMAT, CHANGED, csv->path);
    csv->rows = p->rows;
    for (int i = 0; i < csv->n_columns; i++) {
        mtl_text *text = &csv->columns[i].text;
        char *fit = text->used > 0 ? realloc(text->data, text->used) : NULL;
        if (fit) {
            text->data = fit;
            text->size = text->used;
        }
    }
    return set_room(csv, csv->rows ? csv->rows : 1);
}

static mtl_status parse(parser *p, mtl_input *in)
{
    char chunk[CHUNK];
    size_t n = 0;
    bool first = true;
    do {
        MTL_TRY(mtl_input_read(in, chunk, sizeof chunk, &n));
        size_t mark = first && n >= 3 && memcmp(chunk, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* that of UTF-8 */
        first = false;
        MTL_TRY(take(p, chunk + mark, chunk + n));
    } while (n == sizeof chunk && !all_read(p));
    return finish(p);
}

static mtl_status read_file(mtl_csv *csv, int wanted)
{
    parser p = {.csv = csv,
                .ctx = csv->ctx,
                .separator = csv->separator,
                .state = RECORD,
                .header = true,
                .line = 1,
                .wanted = wanted};
    mtl_input in = {0};
    p.stops['\n'] = p.stops['"'] = p.stops['\0'] = STOPS_PLAIN | STOPS_QUOTED;
    p.stops['\r'] |= STOPS_PLAIN;
    p.stops[(unsigned char)csv->separator] |= STOPS_PLAIN;
    MTL_TRY(mtl_input_open(csv->ctx, csv->path, true, &in));
    mtl_status status = parse(&p, &in);
    mtl_input_close(&in);
    free(p.scratch.data);
    return status;
}

mtl_status mtl_csv_read(mtl_context *ctx, const char *path, const mtl_csv_options *options, mtl_csv **out)
{
    static const mtl_csv_options plain = {0};
    const mtl_csv_options *o = options ? options : &plain;
    char separator = o->separator ? o->separator : ',', decimal = o->decimal ? o->decimal : '.';
    if (separator == '"' || separator == '\n' || separator == '\r')
        return mtl_fail(ctx, MTL_ERR_ARG, "%s: a quote or a line end cannot separate fields", path);
    if (decimal != '.' && decimal != ',')
        return mtl_fail(ctx, MTL_ERR_ARG, "%s: the decimal sign is '%c', which should be '.' or ','", path, decimal);
    mtl_csv *csv = calloc(1, sizeof *csv);
    if (csv) {
        csv->ctx = ctx;
        csv->separator = separator;
        csv->decimal = decimal;
        csv->names_only = o->names_only;
        csv->path = strdup(path);
        csv->missing = o->missing ? strdup(o->missing) : NULL;
    }
    mtl_status status = csv && csv->path && (!o->missing || csv->missing)
                            ? read_file(csv, -1)
                            : mtl_fail(ctx, MTL_ERR_MEMORY, "%s: no host memory left", path);
    if (status == MTL_OK)
        *out = csv;
    else
        mtl_csv_free(csv);
    return status;
}

mtl_status mtl_csv_reload(mtl_csv *csv, int column)
{
    mtl_csv_column *c = &csv->columns[column];
    mtl_status status = read_file(csv, column);
    c->lost = status != MTL_OK;
    if (c->lost) {
        free(c->text.data);
        c->text = (mtl_text){0};
    }
    return status;
}

void mtl_csv_free(mtl_csv *csv)
{
    if (!csv)
        return;
    for (int i = 0; i < csv->n_columns; i++) {
        mtl_csv_column *c = &csv->columns[i];
        free(c->text.data);
        free(c->bad);
        free(c->numbers);
        free(c->codes);
        free(c->levels);
    }
    free(csv->columns);
    free(csv->names.data);
    free(csv->jumps.data);
    free(csv->missing);
    free(csv->path);
    free(csv);
}

/* ---- what was read ---- */

int64_t mtl_csv_rows(const mtl_csv *csv)
{
    return csv->rows;
}

int mtl_csv_columns(const mtl_csv *csv)
{
    return csv->n_columns;
}

char mtl_csv_separator(const mtl_csv *csv)
{
    return csv->separator;
}

char mtl_csv_decimal(const mtl_csv *csv)
{
    return csv->decimal;
}

const char *mtl_csv_name(const mtl_csv *csv, int column)
{
    return column >= 0 && column < csv->n_columns ? csv->columns[column].name : NULL;
}

int mtl_csv_find(const mtl_csv *csv, const char *name)
{
    for (int i = 0; i < csv->n_columns; i++) {
        if (strcmp(csv->columns[i].name, name) == 0)
            return i;
    }
    return -1;
}

bool mtl_csv_numeric(const mtl_csv *csv, int column)
{
    return column >= 0 && column < csv->n_columns && csv->columns[column].numbers;
}

int64_t mtl_csv_line(const mtl_csv *csv, int64_t row)
{
    const mtl_csv_jump *jumps = (const mtl_csv_jump *)csv->jumps.data; /* malloc'd, so aligned */
    size_t n = csv->jumps.used / sizeof *jumps;
    if (row < 0 || row >= csv->rows)
        return -1;
    while (jumps[n - 1].row > row)
        n--;
    return jumps[n - 1].line + row - jumps[n - 1].row;
}

mtl_status mtl_csv_numbers(mtl_csv *csv, int column, mtl_tensor **out)
{
    char name[MTL_SHOWN], field[MTL_SHOWN];
    mtl_tensor *t = NULL;
    if (column < 0 || column >= csv->n_columns)
        return mtl_fail(csv->ctx, MTL_ERR_ARG, "%s: column %d of %d", csv->path, column, csv->n_columns);
    const mtl_csv_column *c = &csv->columns[column];
    if (!c->numbers) {
        return mtl_fail(csv->ctx, MTL_ERR_FORMAT, "%s:%" PRId64 ": column '%s': '%s' is not a number%s", csv->path,
                        c->bad_line, mtl_shown(c->name, name), mtl_shown(c->bad, field),
                        c->bad_large ? " that float32 can hold" : "");
    }
    MTL_TRY(mtl_tensor_new(csv->ctx, MTL_F32, 1, &csv->rows, &t));
    if (csv->rows > 0)
        memcpy(mtl_tensor_data(t), c->numbers, (size_t)csv->rows * sizeof *c->numbers);
    *out = t;
    return MTL_OK;
}
