"""What the sample network is made of: names that nobody bears together, and what it is about, in both languages."""

FIRST = (
    ("أمل", "Amal"), ("سامر", "Samer"), ("ليلى", "Layla"), ("يزن", "Yazan"), ("هدى", "Huda"), ("كريم", "Karim"),
    ("رنا", "Rana"), ("ماهر", "Maher"), ("سلمى", "Salma"), ("باسل", "Basel"), ("نور", "Nour"), ("طارق", "Tarek"),
    ("مريم", "Maryam"), ("عمر", "Omar"), ("جمانة", "Joumana"), ("فادي", "Fadi"), ("دانا", "Dana"), ("أيهم", "Ayham"),
    ("رغد", "Raghad"), ("وائل", "Wael"), ("شيرين", "Shirin"), ("غسان", "Ghassan"), ("لمى", "Lama"), ("نبيل", "Nabil"),
    ("ميساء", "Maysaa"), ("حازم", "Hazem"), ("ربى", "Ruba"), ("زياد", "Ziad"), ("سوسن", "Sawsan"), ("بشير", "Bashir"),
)  # fmt: skip
LAST = (
    ("حداد", "Haddad"), ("الحلبي", "al-Halabi"), ("خوري", "Khoury"), ("النجار", "al-Najjar"), ("قاسم", "Qasim"),
    ("سليمان", "Suleiman"), ("الأيوبي", "al-Ayoubi"), ("درويش", "Darwish"), ("منصور", "Mansour"), ("العلي", "al-Ali"),
    ("شاهين", "Shahin"), ("الخطيب", "al-Khatib"), ("عيسى", "Issa"), ("الزعبي", "al-Zoubi"), ("مراد", "Murad"),
    ("الحموي", "al-Hamwi"), ("بركات", "Barakat"), ("يونس", "Younes"), ("السيد", "al-Sayyed"), ("كنعان", "Kanaan"),
)  # fmt: skip
ORGANIZATIONS = (  # with "of PLACE" behind them
    ("شبكة المعلمين", "Teachers' Network"),
    ("جمعية التعليم والتنمية", "Education and Development Association"),
    ("مبادرة العودة إلى المدرسة", "Back to School Initiative"),
    ("مؤسسة المكتبات المدرسية", "School Libraries Foundation"),
    ("ملتقى المرشدين التربويين", "School Counsellors' Forum"),
)
UNFINISHED = ("مركز تقوية في طور التأسيس", "Tutoring Centre in the Making")  # it has not applied yet
TOPICS = (
    ("الحساب الذهني", "mental arithmetic"),
    ("القراءة في الصفوف الأولى", "reading in the first grades"),
    ("تجارب العلوم بأدوات بسيطة", "science experiments with simple tools"),
    ("الدعم النفسي الاجتماعي في الصف", "psychosocial support in the classroom"),
    ("إدارة الصف الكبير", "managing a large class"),
    ("التعليم التعويضي في الرياضيات", "catch-up lessons in mathematics"),
    ("الإملاء والخط", "spelling and handwriting"),
    ("تعليم ذوي الإعاقة السمعية", "teaching learners who are deaf"),
    ("السلامة في المدرسة", "safety at school"),
    ("التقويم الصفي", "assessment in class"),
    ("التعلم عن بعد بإنترنت ضعيف", "distance learning on a weak connection"),
    ("المكتبة المدرسية", "the school library"),
    ("التوعية بمخاطر الذخائر", "explosive ordnance risk education"),
    ("رياض الأطفال واللعب", "kindergartens and play"),
    ("التعليم المهني الزراعي", "vocational education in farming"),
    ("اللغة الإنكليزية للمبتدئين", "English for beginners"),
    ("محو أمية الكبار", "adult literacy"),
    ("الإشراف التربوي", "educational supervision"),
    ("التخطيط المدرسي", "school planning"),
    ("المياه والنظافة في المدارس", "water and hygiene in schools"),
    ("تعليم الفتيات في الريف", "girls' education in rural areas"),
    ("عودة الطلاب المنقطعين", "the return of learners who had left"),
    ("الفيزياء للصف التاسع", "physics for grade nine"),
    ("البرمجة لليافعين", "programming for young people"),
    ("ترميم المدارس", "the repair of school buildings"),
    ("المناهج والكتاب المدرسي", "curricula and textbooks"),
    ("الامتحانات والشهادات", "examinations and certificates"),
    ("العمل مع أولياء الأمور", "working with parents"),
    ("الطاقة الشمسية للمدارس", "solar power for schools"),
    ("صحة المعلم وراحته", "the well-being of teachers"),
)
RECORDS = (  # type, title around a topic, and whether it is about a place
    ("GUIDE", ("دليل المعلم: {ar}", "A teacher's guide: {en}"), False),
    ("LESSON_PLAN", ("درس جاهز: {ar}", "Lesson plan: {en}"), False),
    ("COURSE_MATERIAL", ("مادة تعليمية: {ar}", "Course material: {en}"), False),
    ("REPORT", ("تقرير: {ar} في {place_ar}", "Report: {en} in {place_en}"), True),
    ("DATASET", ("بيانات: {ar} في {place_ar}", "Data: {en} in {place_en}"), True),
)
CONVENINGS = (
    ("SEMINAR", ("ندوة: {ar}", "Seminar: {en}")),
    ("WORKSHOP", ("ورشة: {ar}", "Workshop: {en}")),
    ("COURSE", ("دورة: {ar}", "Course: {en}")),
    ("CONFERENCE", ("مؤتمر: {ar}", "Conference: {en}")),
    ("MEETING", ("اجتماع: {ar}", "Meeting: {en}")),
)
HELP = (  # kinds of help that are asked for and offered, with usual quantities
    ("science-kits", (20, 400)), ("textbooks", (100, 3000)), ("school-bags", (50, 900)), ("desks", (20, 300)),
    ("notebooks", (200, 5000)), ("tents", (2, 20)), ("laptops", (2, 40)), ("tablets", (10, 120)),
    ("projectors", (1, 8)), ("storybooks", (50, 800)), ("early-childhood-kits", (5, 60)), ("boards", (4, 40)),
    ("winter-clothes", (50, 700)), ("library-books", (40, 600)), ("teacher-training", (2, 12)), ("printers", (1, 6)),
)  # fmt: skip
WHY = (
    ("لمدارس عاد إليها طلابها هذا العام.", "For schools whose learners came back this year."),
    ("لصفوف يجلس فيها أكثر من أربعين طالبًا.", "For classes of more than forty learners."),
    ("لقرى لم يصلها شيء من قبل.", "For villages that nothing has reached before."),
    ("قبل بداية الفصل الثاني.", "Before the second term begins."),
)
SAMPLE = ("(عيّنة)", "(sample)")
MADE_UP = (
    "هذه عيّنة كُتبت لتجربة المنصة، ولا تدل على شيء في الواقع.",
    "This is a sample, written to try the platform; it stands for nothing real.",
)
