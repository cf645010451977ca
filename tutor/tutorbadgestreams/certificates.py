"""Run in the LMS's shell by `do badges-catch-up --certificates`: says again who holds a certificate.

To the event bus alone: receivers within the LMS, which may send letters, hear nothing. The time is that of
the certificate.
"""

from lms.djangoapps.certificates.data import CertificateStatuses
from lms.djangoapps.certificates.models import GeneratedCertificate
from opaque_keys.edx.keys import CourseKey
from openedx_events.event_bus import get_producer
from openedx_events.learning.data import CertificateData, CourseData, UserData, UserPersonalData
from openedx_events.learning.signals import CERTIFICATE_CREATED


def send_again(courses, topic, key):
    """Send each certificate of these courses that its learner holds."""
    producer = get_producer()
    for course in courses:
        certificates = GeneratedCertificate.objects.filter(course_id=CourseKey.from_string(course))
        count = 0
        for one in certificates.select_related("user__profile").order_by("id").iterator(chunk_size=500):
            if CertificateStatuses.is_passing_status(one.status):
                producer.send(
                    signal=CERTIFICATE_CREATED,
                    topic=topic,
                    event_key_field=key,
                    event_data={"certificate": described(one)},
                    event_metadata=CERTIFICATE_CREATED.generate_signal_metadata(time=one.created_date),
                )
                count += 1
        print(f"{course}: {count} certificates are said again")
    if hasattr(producer, "prepare_for_shutdown"):  # Kafka's, which sends in the background
        producer.prepare_for_shutdown()


def described(one):
    """A certificate as the LMS describes it when it is saved."""
    user = one.user
    pii = UserPersonalData(username=user.username, email=user.email, name=user.profile.name)
    return CertificateData(
        user=UserData(pii=pii, id=user.id, is_active=user.is_active),
        course=CourseData(course_key=one.course_id),
        mode=one.mode,
        grade=one.grade,
        current_status=one.status,
        download_url=one.download_url,
        name=one.name,
    )
