"""The words of the regulations' roles, channels and kinds in the three languages, for people."""

from collections.abc import Mapping
from types import MappingProxyType

from shared.identifiers import Channel, Role, Step
from shared.procedures import kinds
from shared.procedures.due import TimeLimit, TimeUnit
from shared.procedures.parts import Language, Text

Words = Mapping[str, Text]


def _words(entries: dict[str, tuple[str, str, str]]) -> Words:
    return MappingProxyType(
        {key: Text(kk=kk, ru=ru, en=en) for key, (kk, ru, en) in entries.items()}
    )


ROLES = _words(
    {
        Role.OFFICE_SPECIALIST: ("кеңсе маманы", "специалист канцелярии", "office specialist"),
        Role.HEAD: ("басшы", "руководитель", "head"),
        Role.MANAGEMENT: ("басшылық", "руководство", "management"),
        Role.RESPONSIBLE_EXECUTOR: (
            "жауапты орындаушы",
            "ответственный исполнитель",
            "responsible executor",
        ),
    }
)
PARTICIPANTS = _words(
    {
        kinds.Participant.RECIPIENT: (
            "көрсетілетін қызметті алушы",
            "услугополучатель",
            "recipient",
        ),
        kinds.Participant.STATE_CORPORATION_OPERATOR: (
            "Мемлекеттік корпорация операторы",
            "оператор Государственной корпорации",
            "operator of the State Corporation",
        ),
        kinds.Participant.STATE_CORPORATION: (
            "Мемлекеттік корпорация",
            "Государственная корпорация",
            "State Corporation",
        ),
        kinds.Participant.STATE_CORPORATION_SYSTEM: (
            "Мемлекеттік корпорацияның ақпараттық жүйесі",
            "информационная система Государственной корпорации",
            "system of the State Corporation",
        ),
        kinds.Participant.PORTAL: ("портал", "портал", "portal"),
        kinds.Participant.PROVIDER: ("көрсетілетін қызметті беруші", "услугодатель", "provider"),
        kinds.Participant.NOT_SAID: ("кім екені айтылмаған", "кто – не сказано", "who: not said"),
    }
)
CHANNELS = _words(
    {
        Channel.OFFICE: ("көрсетілетін қызметті беруші", "услугодатель", "office of the provider"),
        Channel.STATE_CORPORATION: (
            "Мемлекеттік корпорация",
            "Государственная корпорация",
            "State Corporation",
        ),
        Channel.PORTAL: ("портал", "портал", "portal"),
    }
)
STEPS = _words(
    {
        Step.REGISTER: ("тіркеу", "регистрация", "register"),
        Step.ASSIGN: ("орындаушыны анықтау", "определение исполнителя", "assign"),
        Step.DRAFT: ("рәсімдеу", "оформление", "draft"),
        Step.SIGN: ("қол қою", "подписание", "sign"),
        Step.ISSUE: ("беру", "выдача", "issue"),
    }
)
PROCESS_KINDS = _words(
    {
        kinds.ProcessKind.STEP: ("іс-қимыл", "действие", "step"),
        kinds.ProcessKind.PROCESS: ("үдеріс", "процесс", "process"),
        kinds.ProcessKind.CONDITION: ("шарт", "условие", "condition"),
        kinds.ProcessKind.DELIVERY: ("нәтижені беру", "выдача результата", "delivery"),
    }
)
REFUSALS = _words(
    {
        kinds.RefusalKind.DATA_CANNOT_BE_OBTAINED: (
            "деректерді алу мүмкін емес",
            "невозможность получения данных",
            "data cannot be obtained",
        ),
        kinds.RefusalKind.REFUSAL_OF_AUTHORISATION: (
            "авторландырудан бас тарту",
            "отказ в авторизации",
            "refusal of authorisation",
        ),
        kinds.RefusalKind.REFUSAL_OF_SERVICE: (
            "қызметтен бас тарту",
            "отказ в услуге",
            "refusal of the service",
        ),
    }
)
SCHEME = _words(
    {
        "edition": ("басылым", "редакция", "edition"),
        "title": ("Рәсімдердің блок-сызбасы", "Блок-схема процедур", "Block scheme"),
        "provider": ("Көрсетілетін қызметті беруші", "Услугодатель", "Provider"),
        "application": ("Өтініш", "Обращение", "Application"),
        "steps": (
            "Көрсетілетін қызметті берушінің іс-қимылдары",
            "Действия услугодателя",
            "Steps of the provider",
        ),
        "sum": ("Барлығы (есептелген)", "Всего (подсчитано)", "Sum (counted, not stated)"),
        "yes": ("иә", "да", "yes"),
        "no": ("жоқ", "нет", "no"),
        "no-time": ("мерзімі айтылмаған", "срок не указан", "no time given"),
        "inferred": ("жанама қорытынды", "выведено", "inferred"),
        "kinds": ("Нәтиже түрлері", "Виды результата", "Kinds of result"),
        "notes": ("Мәтіннің қайшылықтары", "Неточности текста", "Slips of the text"),
        "no-refusal": (
            "Бас тарту тармағы жоқ.",
            "Ветви отказа нет.",
            "No refusal branch.",
        ),
    }
)


_TEENS = range(11, 15)
_FEW = range(2, 5)


def spell(limit: TimeLimit, language: Language) -> str:
    """`6 жұмыс күні`, `6 рабочих дней`, `6 working days`."""
    days = limit.unit is TimeUnit.WORKING_DAYS
    if language == "kk":
        return f"{limit.amount} {'жұмыс күні' if days else 'минут'}"
    if language == "en":
        ending = "" if limit.amount == 1 else "s"
        return f"{limit.amount} {'working day' if days else 'minute'}{ending}"
    forms = (
        ("рабочий день", "рабочих дня", "рабочих дней") if days else ("минута", "минуты", "минут")
    )
    return f"{limit.amount} {forms[_russian_form(limit.amount)]}"


_PLACES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "para": ("{}-абзац", "абзац {}"),
        "section": ("{}-бөлім", "раздел {}"),
        "annex": ("{}-қосымша", "приложение {}"),
        "note": ("ескерту", "примечание"),
        "legend": ("түсіндірме", "пояснение"),
        "head": ("басы", "вводная часть"),
        "title": ("тақырыбы", "заголовок"),
    }
)


def spell_clause(clause: str, language: Language) -> str:
    """`R3 3 para 2` as a reader of the language writes it: `R3 3 абзац 2`."""
    if language == "en":
        return clause
    words = clause.split(" ")
    spelt: list[str] = []
    while words:
        word = words.pop(0)
        form = _PLACES[word][0 if language == "kk" else 1] if word in _PLACES else word
        spelt.append(form.format(words.pop(0)) if "{}" in form else form)
    return " ".join(spelt)


def _russian_form(amount: int) -> int:
    if amount % 100 in _TEENS:
        return 2
    if amount % 10 == 1:
        return 0
    return 1 if amount % 10 in _FEW else 2
